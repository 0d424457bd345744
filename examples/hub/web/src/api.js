// The one place that talks to the API.
const base = process.env.API_URL ?? "http://127.0.0.1:8000";

/** GET `path`, or POST `body` to it; the parsed answer, or an error that carries the API's status. */
export async function api(path, body) {
  const answer = await fetch(base + path, {
    method: body ? "POST" : "GET",
    headers: body ? { "content-type": "application/json" } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });
  if (!answer.ok) throw Object.assign(new Error(`the API answered ${answer.status}`), { status: answer.status });
  return answer.json();
}
