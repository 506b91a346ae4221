// Draws every <script type="application/vega+json"> beside its .chart, in the reader's light or dark colours.
// A chart that is drawn again is prepared out of sight and then put in place, so that nothing flickers or jumps.
(function () {
  const dark = matchMedia("(prefers-color-scheme: dark)"), drawn = new WeakMap();
  function look() {
    const ink = dark.matches ? "#c9d2db" : "#43505d", line = dark.matches ? "#333d49" : "#e4e8ed";
    const text = { labelColor: ink, titleColor: ink };
    return {
      background: "transparent", view: { stroke: null }, font: "system-ui, sans-serif", title: { color: ink, fontSize: 12 },
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line }, legend: text, rule: { color: ink },
    };
  }
  function drawOne(place, source) {
    const chart = JSON.parse(source.textContent), fresh = document.createElement("div");
    chart.config = look();
    fresh.className = "fresh";
    place.append(fresh);
    vegaEmbed(fresh, chart, { actions: false, renderer: "svg" }).then(function (result) {
      const before = drawn.get(place);
      drawn.set(place, result);
      place.replaceChildren(fresh);
      fresh.classList.remove("fresh");
      if (before) before.finalize();
      result.view.addEventListener("click", function (_, item) {
        if (item && item.datum && item.datum.opens) window.seatrialOpen(item.datum.opens);
      });
    }).catch(function (error) { place.textContent = String(error); });
  }
  function draw(root) {
    root.querySelectorAll("script[type='application/vega+json']").forEach(function (source) {
      drawOne(source.previousElementSibling, source);
    });
  }
  window.seatrialOpen = function (address) {  // a place in the page, or what its server says of a cell
    const place = document.getElementById(address.startsWith("#") ? address.slice(1) : "opened");
    if (!place) return;
    const show = function () { place.scrollIntoView({ behavior: "smooth", block: "start" }); place.focus(); };
    if (address.startsWith("#")) { show(); return; }
    fetch(address).then(function (answer) { return answer.text(); }).then(function (text) {
      place.innerHTML = text;
      draw(place);
      show();
    });
  };
  document.addEventListener("click", function (event) {
    const one = event.target.closest("[data-opens]");
    if (one) window.seatrialOpen(one.dataset.opens);
  });
  draw(document);
  dark.addEventListener("change", function () { draw(document); });
  window.seatrialDraw = draw;
  window.seatrialHandOver = function (before, after) {  // what was drawn stands until its successor is ready
    after.replaceChildren(...before.childNodes);
    if (drawn.has(before)) drawn.set(after, drawn.get(before));
  };
  window.seatrialFinalize = function (place) { if (drawn.has(place)) drawn.get(place).finalize(); };
})();
