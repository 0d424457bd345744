// Exit code 0 once the page's own way to the API works.
try {
  const answer = await fetch("http://127.0.0.1:3000/healthz", { signal: AbortSignal.timeout(2000) });
  process.exitCode = answer.ok ? 0 : 1;
} catch (cause) {
  console.error(`not ready: ${cause.message}`);
  process.exitCode = 1;
}
