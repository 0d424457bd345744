// The hub's front door: asks the API, shows a page, passes what a visitor does back to the API.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { api } from "./api.js";
import { page, trouble } from "./page.js";

const app = new Hono();

app.get("/", async (c) => c.html(page(await api("/larder"))));

app.post("/items", async (c) => {
  const { name, quantity, shelf } = await c.req.parseBody();
  await api("/items", { name, quantity: Number(quantity), shelf });
  return c.redirect("/", 303);
});

app.post("/items/:id/take", async (c) => {
  await api(`/items/${Number(c.req.param("id"))}/take`, {});
  return c.redirect("/", 303);
});

app.get("/healthz", async (c) => c.json(await api("/healthz")));

app.onError((cause, c) => {
  const status = cause.status ?? 502;
  console.error(`${c.req.method} ${c.req.path}: ${cause.message}`);
  return c.html(trouble(status, cause.message), status);
});

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`hub-web listens on port ${port}`),
);

// as process 1 node has no default for SIGTERM: without this a stop takes the whole grace period
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
