"use strict";
(() => {
  const picture = document.documentElement;
  const margin = Number(picture.dataset.margin);
  const letter = Number(picture.dataset.letter);
  const room = picture.viewBox.baseVal.width - 2 * margin;
  const boxes = [...document.querySelectorAll(".box")].map((group) => ({
    group,
    rect: group.querySelector("rect"),
    label: group.querySelector("text"),
    title: group.querySelector("title").textContent,
    name: group.dataset.n,
    x: Number(group.dataset.x),
    w: Number(group.dataset.w),
    y: Number(group.querySelector("rect").getAttribute("y")),
  }));
  const [details, matched, reset, search] =
    ["details", "matched", "reset", "search"].map((id) => document.getElementById(id));

  const zoom = (to) => {
    const scale = room / to.w;
    const near = 0.01;
    for (const box of boxes) {
      const under = box.y > to.y && box.x <= to.x + near && box.x + box.w >= to.x + to.w - near;
      const inside = box.y <= to.y && box.x >= to.x - near && box.x + box.w <= to.x + to.w + near;
      box.group.classList.toggle("hidden", !under && !inside);
      box.group.classList.toggle("above", under);
      if (!under && !inside) continue;
      const x = under ? margin : margin + (box.x - to.x) * scale;
      const w = under ? room : box.w * scale;
      box.rect.setAttribute("x", x);
      box.rect.setAttribute("width", w);
      box.label.setAttribute("x", x + 3);
      const fits = Math.floor((w - 6) / letter);
      box.label.textContent = fits < 3 ? ""
        : box.name.length <= fits ? box.name : box.name.slice(0, fits - 1) + "…";
    }
    reset.style.visibility = to === boxes[0] ? "hidden" : "visible";
  };

  const find = (text) => {
    const wanted = text.toLowerCase();
    const ranges = [];
    for (const box of boxes) {
      const hit = wanted !== "" && box !== boxes[0] && box.title.split(" (")[0].toLowerCase().includes(wanted);
      box.group.classList.toggle("found", hit);
      if (hit) ranges.push([box.x, box.x + box.w]);
    }
    // What lies in another match counts once.
    let sum = 0, until = -1;
    for (const [start, end] of ranges.sort((a, b) => a[0] - b[0])) {
      sum += Math.max(0, end - Math.max(start, until));
      until = Math.max(until, end);
    }
    matched.textContent = wanted === "" ? " " : `${ranges.length} boxes match, ${(100 * sum / room).toFixed(2)}%`;
    search.textContent = wanted === "" ? "Search" : "Search again";
  };

  const ask = () => {
    const text = window.prompt("Functions with this in their names:", "");
    if (text !== null) find(text);
  };

  for (const box of boxes) {
    box.group.addEventListener("click", () => zoom(box));
    box.group.addEventListener("keydown", (event) => { if (event.key === "Enter") zoom(box); });
    for (const kind of ["mouseover", "focus"])
      box.group.addEventListener(kind, () => { details.textContent = box.title; });
    box.group.addEventListener("mouseout", () => { details.textContent = " "; });
    box.group.setAttribute("tabindex", "0");
  }
  reset.addEventListener("click", () => zoom(boxes[0]));
  search.addEventListener("click", ask);
  for (const control of [reset, search])
    control.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.stopPropagation(); control === reset ? zoom(boxes[0]) : ask(); }
    });
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { zoom(boxes[0]); find(""); }
    if (event.key === "/") { event.preventDefault(); ask(); }
  });
  // #search=TEXT in the address searches at once.
  const given = /^#search=(.*)$/.exec(window.location.hash);
  if (given && boxes.length) find(decodeURIComponent(given[1]));
})();
