// A page that refreshes its parts: no part is touched that says the same, is being read, or cannot be asked.
(function () {
  const last = new WeakMap(), charts = new WeakMap(), open = new Set();
  const said = document.getElementById("acted"), away = document.getElementById("away");
  function isPart(target) { return target.hasAttribute("hx-get"); }
  function places(target) { return [...target.querySelectorAll(".chart")]; }

  function normal(text) { const one = document.createElement("template"); one.innerHTML = text; return one.innerHTML; }
  document.querySelectorAll("[hx-get]").forEach(function (part) { last.set(part, normal(part.innerHTML)); });  // not drawn yet

  document.addEventListener("toggle", function (event) {
    if (event.target.id) event.target.open ? open.add(event.target.id) : open.delete(event.target.id);
  }, true);

  document.addEventListener("htmx:beforeSwap", function (event) {
    const target = event.detail.target, text = normal(event.detail.serverResponse);
    if (event.detail.isError || !isPart(target)) return;
    away.textContent = "";
    if (last.get(target) === text || target.querySelector(".chart:hover")) { event.detail.shouldSwap = false; return; }
    last.set(target, text);
    charts.set(target, places(target));
  });

  document.addEventListener("htmx:afterSwap", function (event) {
    const target = event.detail.target;
    if (!isPart(target)) { htmx.trigger(document.body, "acted"); return; }
    const before = charts.get(target) || [], after = places(target);
    target.querySelectorAll("details[id]").forEach(function (one) { one.open = open.has(one.id); });
    before.forEach(function (one, i) { after[i] ? seatrialHandOver(one, after[i]) : seatrialFinalize(one); });
    seatrialDraw(target);
  });

  document.addEventListener("htmx:responseError", function (event) {
    let sentence = event.detail.xhr.statusText;
    try { sentence = JSON.parse(event.detail.xhr.responseText).error; } catch { /* the status must do */ }
    const place = isPart(event.detail.target) ? away : said;
    if (place) { place.textContent = sentence; place.classList.add("bad"); }
  });
  document.addEventListener("htmx:sendError", function () {
    away.textContent = "This page is not up to date: the control port does not answer.";
  });
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (said && !isPart(event.detail.target)) { said.textContent = "…"; said.classList.remove("bad"); }
  });
})();
