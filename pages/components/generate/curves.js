// Curves over the steps of a run: smoothed lines, the raw ones faint behind, one legend for all
// charts (colour: class, dash: seed), values under the pointer, one line bold while its picture is
// pointed at. The x axis ends at the steps taken so far.

const HEIGHT = 190
const EDGE = { left: 44, right: 10, top: 10, bottom: 34 }
const DASHES = ["", "7 4", "2 3", "10 3 2 3", "1 5"]
const WINDOW = 1 / 24 // of the points, over which a line is smoothed
const FEWEST = 24 // points from which smoothing pays
const SVG = "http://www.w3.org/2000/svg"
const views = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let view = views.get(parentElement)
  if (!view) {
    view = new Curves(parentElement.querySelector(".curves"))
    views.set(parentElement, view)
  }
  view.show(data)
  return () => {
    view.close()
    views.delete(parentElement)
  }
}

class Curves {
  constructor(root) {
    this.root = root
    this.bold = null
    this.onhighlight = (event) => {
      this.bold = event.detail
      this.mark()
    }
    window.addEventListener("protocore-highlight", this.onhighlight)
    this.observer = new ResizeObserver(() => this.data && this.draw())
    this.observer.observe(root)
  }

  close() {
    window.removeEventListener("protocore-highlight", this.onhighlight)
    this.observer.disconnect()
  }

  show(data) {
    this.data = data
    const palette = getComputedStyle(this.root).getPropertyValue("--st-chart-categorical-colors")
    this.palette = palette.split(",").map((colour) => colour.trim())
    this.draw()
  }

  draw() {
    const { data } = this
    if (!this.charts || this.charts.children.length !== data.charts.length) {
      this.charts = html("div", "charts")
      this.legend = html("div", "legend")
      this.charts.append(...data.charts.map(() => html("div", "chart")))
      this.root.replaceChildren(this.charts, this.legend)
    }
    data.charts.forEach((chart, index) => this.draw_chart(this.charts.children[index], chart))
    this.draw_legend()
    this.mark()
  }

  colour(line) {
    return this.palette[line.colour % this.palette.length]
  }

  draw_chart(place, chart) {
    const width = place.clientWidth || 280
    const scale = scales(chart, width)
    const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" })
    picture.setAttribute("aria-label", `${chart.title} over the steps. ${summary(chart, this.data)}`)
    axes(picture, scale, width)
    for (const step of this.data.changes) {
      const x = scale.x(step)
      picture.append(svg("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom,
        class: "change" }))
    }
    for (const { name, y } of chart.levels) {
      picture.append(svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: scale.y(y),
        y2: scale.y(y), class: "level" }))
      picture.append(text(name, { x: EDGE.left + 4, y: scale.y(y) - 3 }))
    }
    chart.lines.forEach((line, index) => this.draw_line(picture, line, index, scale))
    const title = html("h2", "", chart.title)
    const values = html("div", "values")
    values.hidden = true
    place.replaceChildren(title, picture, values)
    picture.onpointermove = (event) => this.read(event, place, chart, scale, width)
    picture.onpointerleave = () => {
      values.hidden = true
      picture.querySelector(".cursor")?.remove()
    }
  }

  draw_line(picture, line, index, scale) {
    const about = this.data.lines[index]
    const stroke = this.colour(about)
    const path = (ys) => line.x.map((x, i) => `${i ? "L" : "M"}${scale.x(x)} ${scale.y(ys[i])}`)
    const smooth = smoothed(line.y)
    const own = { "data-line": index, stroke }
    if (smooth !== line.y) {
      picture.append(svg("path", { d: path(line.y).join(""), class: "raw", ...own }))
    }
    const dash = DASHES[about.dash % DASHES.length]
    picture.append(
      svg("path", { d: path(smooth).join(""), class: "line", "stroke-dasharray": dash, ...own }),
    )
  }

  draw_legend() {
    const { classes, seeds } = this.data
    const sample = (label, stroke, dash) => {
      const item = html("span")
      const line = svg("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" })
      line.append(svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke, "stroke-width": 2.5,
        "stroke-dasharray": dash }))
      item.append(line, document.createTextNode(label))
      return item
    }
    const of_classes = classes.map((name, i) => sample(name, this.colour({ colour: i }), ""))
    const several = seeds.length > 1 ? seeds : []
    const of_seeds = several.map((name, i) =>
      sample(name, "currentColor", DASHES[i % DASHES.length]))
    this.legend.replaceChildren(...of_classes, ...of_seeds)
  }

  mark() {
    for (const path of this.root.querySelectorAll("[data-line]")) {
      path.classList.toggle("dim", this.bold !== null && +path.dataset.line !== this.bold)
    }
  }

  read(event, place, chart, scale, width) {
    const picture = place.querySelector("svg")
    const box = picture.getBoundingClientRect()
    const at = scale.step(((event.clientX - box.left) / box.width) * width)
    const longest = chart.lines.find((line) => line.x.length)
    if (!longest) return
    const step = nearest(longest.x, at).x
    picture.querySelector(".cursor")?.remove()
    const x = scale.x(step)
    picture.append(svg("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom,
      class: "cursor" }))
    const values = place.querySelector(".values")
    const rows = chart.lines.map((line, index) => {
      const row = html("div")
      const name = html("span", "", this.data.lines[index].label)
      name.style.color = this.colour(this.data.lines[index])
      const { i } = nearest(line.x, step)
      row.append(name, html("span", "", short(line.y[i])))
      return row
    })
    values.replaceChildren(html("strong", "", `step ${step}`), ...rows)
    values.hidden = false
    values.style.top = `${HEIGHT - EDGE.bottom + 26}px`
    const share = x / width
    values.style.left = share < 0.5 ? `${100 * share}%` : "auto"
    values.style.right = share < 0.5 ? "auto" : `${100 * (1 - share)}%`
  }
}

// --- scales ---

function scales(chart, width) {
  const xs = chart.lines.flatMap((line) => line.x)
  const ys = [...chart.lines.flatMap((line) => line.y), ...chart.levels.map((level) => level.y)]
  const right = Math.max(1, ...xs)
  const left = xs.length ? Math.min(...xs) : 0
  let [low, high] = chart.limits || [Math.min(...ys), Math.max(...ys)]
  if (!Number.isFinite(low)) [low, high] = [0, 1]
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5]
  const across = width - EDGE.left - EDGE.right
  const down = HEIGHT - EDGE.top - EDGE.bottom
  const span = Math.max(right - left, 1)
  const x = (step) => round(EDGE.left + ((step - left) / span) * across)
  const y = (value) => round(EDGE.top + (1 - (value - low) / (high - low)) * down)
  const step = (place) => left + ((place - EDGE.left) / across) * span
  return { x, y, step, xticks: ticks(left, right, 4, true), yticks: ticks(low, high, 4) }
}

function ticks(low, high, count, whole = false) {
  const rough = (high - low) / count || 1
  const power = 10 ** Math.floor(Math.log10(rough))
  let step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= rough)
  if (whole) step = Math.max(1, Math.round(step))
  const found = []
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) {
    found.push(+value.toPrecision(10))
  }
  return found
}

function axes(picture, scale, width) {
  for (const value of scale.yticks) {
    const y = scale.y(value)
    picture.append(svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y, y2: y,
      class: "axis" }))
    picture.append(text(short(value), { x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }))
  }
  for (const value of scale.xticks) {
    picture.append(text(String(value), { x: scale.x(value), y: HEIGHT - EDGE.bottom + 15,
      "text-anchor": "middle" }))
  }
  picture.append(text("step", { x: (EDGE.left + width - EDGE.right) / 2, y: HEIGHT - 4,
    "text-anchor": "middle" }))
}

// --- pieces ---

// Mean over a window that shrinks at the ends, so that no value is invented.
function smoothed(ys) {
  if (ys.length < FEWEST) return ys
  const half = Math.max(1, Math.round((ys.length * WINDOW) / 2))
  return ys.map((_, i) => {
    const reach = Math.min(half, i, ys.length - 1 - i)
    let sum = 0
    for (let j = i - reach; j <= i + reach; j++) sum += ys[j]
    return sum / (2 * reach + 1)
  })
}

function nearest(xs, at) {
  let best = 0
  xs.forEach((x, i) => {
    if (Math.abs(x - at) < Math.abs(xs[best] - at)) best = i
  })
  return { i: best, x: xs[best] }
}

function summary(chart, data) {
  return chart.lines
    .filter((line) => line.y.length)
    .map((line, index) => `${data.lines[index].label}: ${short(line.y[line.y.length - 1])}`)
    .join("; ")
}

function short(value) {
  if (value === undefined) return "–"
  const size = Math.abs(value)
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : String(+value.toPrecision(3))
}

function round(value) {
  return Math.round(value * 10) / 10
}

function html(name, style = "", content = "") {
  const node = document.createElement(name)
  if (style) node.className = style
  if (content) node.textContent = content
  return node
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

function text(content, attributes) {
  const node = svg("text", attributes)
  node.textContent = content
  return node
}
