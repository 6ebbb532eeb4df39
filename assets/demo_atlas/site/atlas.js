// The grid's search and order, and the page that compares two classes. Names are set as text only.
"use strict";

function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function startGrid(grid) {
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const count = document.getElementById("count");
  const items = [...grid.children];
  const orders = {
    index: (a, b) => a.dataset.index - b.dataset.index,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    probability: (a, b) => (a.dataset.probability || 2) - (b.dataset.probability || 2),
  };
  function show() {
    const wanted = plain(search.value.trim());
    let shown = 0;
    for (const item of items) {
      item.hidden = wanted !== item.dataset.index && !plain(item.dataset.name).includes(wanted);
      shown += item.hidden ? 0 : 1;
    }
    count.textContent = wanted ? `${shown} of ${items.length}` : "";
    history.replaceState(null, "", wanted ? `?q=${encodeURIComponent(search.value.trim())}` : "?");
  }
  search.value = new URLSearchParams(location.search).get("q") || "";
  search.addEventListener("input", show);
  sort.addEventListener("change", () => grid.append(...items.sort(orders[sort.value])));
  if (search.value) show();
}

function element(tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return made;
}

function side(one) {
  const section = element("section");
  const heading = element("h2");
  const link = element("a", `${one.index} · ${one.name}`);
  link.href = one.page;
  heading.append(link);
  section.append(heading);
  for (const prototype of one.prototypes) {
    const figure = element("figure");
    const image = element("img");
    image.src = prototype.picture;
    image.alt = `Prototype of ${one.name}, seed ${prototype.seed}`;
    const list = element("ol");
    list.className = "top";
    for (const [, name, share] of prototype.top) {
      list.append(element("li", `${name} ${share.toFixed(3)}`));
    }
    const caption = element(
      "figcaption",
      `Seed ${prototype.seed}: class probability ${prototype.probability.toFixed(3)}`,
    );
    caption.append(list);
    figure.append(image, caption);
    section.append(figure);
  }
  if (!one.prototypes.length) section.append(element("p", "Not made yet."));
  return section;
}

function startComparison(sides) {
  const selects = ["first", "second"].map((name) => document.getElementById(name));
  const link = new URLSearchParams(location.search);
  ["a", "b"].forEach((name, place) => {
    const known = [...selects[place].options].some((one) => one.value === link.get(name));
    if (known) selects[place].value = link.get(name);
  });
  function show() {
    const [a, b] = selects.map((select) => select.value);
    sides.replaceChildren(
      ...[a, b].map((index) => side(ATLAS.classes.find((one) => String(one.index) === index))),
    );
    history.replaceState(null, "", `?a=${a}&b=${b}`);
  }
  selects.forEach((select) => select.addEventListener("change", show));
  show();
}

const grid = document.getElementById("grid");
const sides = document.getElementById("sides");
if (grid) startGrid(grid);
if (sides) startComparison(sides);
