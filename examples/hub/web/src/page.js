// What a visitor sees. `html` escapes every value that it is given.
import { html, raw } from "hono/html";

const style = raw(`
  :root { --paper: #faf6ee; --ink: #2f2a24; --soft: #8a7f70; --line: #e6dccb; --jam: #b5472f; --card: #fffdf9; }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #211d19; --ink: #efe6d8; --soft: #a2968a; --line: #3b342d; --jam: #e5805f; --card: #2a2520; }
  }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
  main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 2rem; }
  h1 { margin: 0; font: 600 2.2rem/1.2 Georgia, "DejaVu Serif", serif; letter-spacing: -.01em; }
  .count { color: var(--soft); margin: .4rem 0 2rem; }
  .shelves { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: 1rem; align-items: start; }
  section, form.add { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.15rem; }
  section { border-bottom: 5px solid #c9a87c; }
  h2 { margin: 0 0 .4rem; font-size: .8rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; color: var(--soft); }
  ul { list-style: none; margin: 0; padding: 0; }
  li { display: flex; align-items: center; gap: .6rem; padding: .35rem 0; }
  li + li { border-top: 1px solid var(--line); }
  li b { min-width: 2ch; text-align: right; color: var(--jam); font-variant-numeric: tabular-nums; }
  li span { flex: 1; overflow-wrap: anywhere; }
  button { font: inherit; cursor: pointer; border-radius: 8px; border: 1px solid var(--line); background: none; color: var(--soft); padding: .1rem .6rem; }
  button:hover { color: var(--jam); border-color: var(--jam); }
  form.add { display: flex; flex-wrap: wrap; gap: .6rem; margin-top: 1rem; }
  input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: .4rem .7rem; min-width: 0; }
  input[name=name] { flex: 3 1 12rem; } input[name=shelf] { flex: 2 1 8rem; } input[name=quantity] { width: 5rem; }
  form.add button { background: var(--jam); border-color: var(--jam); color: var(--paper); padding: .4rem 1.1rem; }
  footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
`);

const layout = (title, body) => html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    <style>${style}</style>
  </head>
  <body>
    <main>
      ${body}
    </main>
  </body>
</html>
`;

const line = (item) => html`
          <li>
            <b>${item.quantity}</b> <span>${item.name}</span>
            <form method="post" action="/items/${item.id}/take"><button title="take one ${item.name}">take</button></form>
          </li>`;

const shelf = ([name, items]) => html`
        <section>
          <h2>${name}</h2>
          <ul>${items.map(line)}
          </ul>
        </section>`;

function byShelf(items) {
  const shelves = new Map();
  for (const item of items) shelves.set(item.shelf, [...(shelves.get(item.shelf) ?? []), item]);
  return [...shelves];
}

export function page({ greeting, items, visits, served_by }) {
  const pieces = items.reduce((sum, item) => sum + item.quantity, 0);
  const shelves = byShelf(items);
  return layout("The hub", html`<h1>${greeting}</h1>
      <p class="count">${pieces} things on ${shelves.length} shelves. Visit number ${visits}.</p>
      <div class="shelves">${shelves.map(shelf)}
      </div>
      <form class="add" method="post" action="/items">
        <input name="name" placeholder="Something new" aria-label="name" required maxlength="60">
        <input name="quantity" type="number" value="1" min="1" max="999" aria-label="quantity">
        <input name="shelf" placeholder="Shelf" aria-label="shelf" required maxlength="40" list="names">
        <datalist id="names">${shelves.map(([name]) => html`<option value="${name}"></option>`)}</datalist>
        <button>Add</button>
      </form>
      <footer>Kept by PostgreSQL ${served_by.postgres}, counted by Redis ${served_by.redis}, served by Python ${served_by.python}, shown by node ${process.versions.node}.</footer>`);
}

export const trouble = (status, message) => layout("The hub", html`<h1>The door is stuck</h1>
      <p class="count">${status}: ${message}. <a href="/">Try again</a></p>`);
