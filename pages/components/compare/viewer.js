// Prototypes side by side: synchronised zoom and pan, pair, blink, difference, enlarged.

const BLINK_MS = 700
// Matplotlib's "inferno" in seven steps: even in brightness, also for the colour-blind
const RAMP = [
  [0, 0, 4], [51, 10, 95], [120, 28, 109], [187, 55, 84], [237, 105, 37], [251, 180, 26],
  [252, 255, 164],
]
const viewers = new WeakMap()

export default function (component) {
  const { data, parentElement, setStateValue } = component
  let viewer = viewers.get(parentElement)
  if (!viewer) {
    viewer = new Viewer(parentElement.querySelector(".viewer"))
    viewers.set(parentElement, viewer)
  }
  viewer.tell = (shown) => setStateValue("shown", shown)
  viewer.show(data)
  return () => {
    viewer.close()
    viewers.delete(parentElement)
  }
}

class Viewer {
  constructor(root) {
    this.root = root
    this.view = newView()
    this.mode = "grid"
    this.signature = ""
    this.canvases = []
    this.resize = new ResizeObserver(() => this.draw())
    this.resize.observe(root)
    root.onkeydown = (event) => this.key(event)
  }

  close() {
    clearInterval(this.timer)
    this.resize.disconnect()
  }

  show(data) {
    const signature = JSON.stringify([data.items, data.columns])
    if (signature === this.signature) return
    const first = !this.signature
    this.signature = signature
    this.items = data.items
    this.columns = data.columns
    this.images = data.items.map((item) => loadImage(item.image, () => this.loaded()))
    this.first = data.first
    this.second = data.second
    if (first) this.mode = data.mode
    if (data.items.length < 2 || this.mode === "one") this.mode = "grid"
    this.build()
  }

  loaded() {
    this.differenceOf = null
    this.draw()
  }

  // --- what is on the screen ---

  build() {
    clearInterval(this.timer)
    const bar = element("div", "bar")
    bar.append(
      button("−", "Zoom out (−)", () => this.zoom(1 / ZOOM_STEP)),
      button("+", "Zoom in (+)", () => this.zoom(ZOOM_STEP)),
      button("Fit", "Whole images (0)", () => this.fit()),
    )
    if (this.items.length > 1) this.addPairTools(bar)
    const hint = "Click: enlarge · drag: move · Ctrl + wheel or + −: zoom · arrows: pan"
    bar.append(element("span", "hint", hint + (this.items.length > 1 ? " · b: blink" : "")))
    this.stage = element("div", `stage ${this.mode}`)
    this.stage.style.setProperty("--columns", this.columns)
    this.root.replaceChildren(bar, this.stage)
    this.canvases = []
    if (this.mode === "grid") this.items.forEach((item, place) => this.addTile(item, place))
    else if (this.mode === "one") this.addTile(this.items[this.enlarged], this.enlarged)
    else if (this.mode === "pair") {
      for (const place of [this.first, this.second]) this.addTile(this.items[place], place)
    } else this.addSingle()
    this.draw()
  }

  addPairTools(bar) {
    const modes = [
      ["grid", "All", "All images"],
      ["pair", "Pair", "The two chosen images side by side"],
      ["blink", "Blink", "The two images in turn, in one place (b)"],
      ["swap", "Swap", "One image for the other, in one place (s)"],
      ["difference", "Difference", "How much each pixel differs"],
    ]
    const group = element("span", "modes")
    for (const [mode, label, title] of modes) {
      const made = button(label, title, () => this.choose(mode))
      made.setAttribute("aria-pressed", String(this.mode === mode))
      group.append(made)
    }
    bar.append(group, this.picker("first", "First image"), this.picker("second", "Second image"))
  }

  picker(which, label) {
    const select = element("select")
    select.ariaLabel = label
    this.items.forEach((item, place) => select.add(new Option(item.title, place)))
    select.value = this[which]
    select.onchange = () => {
      this[which] = Number(select.value)
      this.differenceOf = null
      if (this.mode === "grid" || this.mode === "one") this.mode = "pair"
      this.build()
      this.report()
    }
    return select
  }

  addTile(item, place) {
    const tile = element("figure")
    const canvas = element("canvas")
    canvas.dataset.item = place
    name(canvas, `Prototype of ${item.title}, ${item.badge}. Enter enlarges it.`)
    canvas.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return
      event.preventDefault()
      this.enlarge(place)
    }
    if (this.mode === "grid") {
      tile.style.gridColumn = item.column + 1
      tile.style.gridRow = item.row + 1
    }
    this.listen(canvas, () => this.enlarge(place))
    tile.append(canvas, caption(item.title, item.badge))
    this.stage.append(tile)
    this.canvases.push({ canvas, source: () => this.images[place] })
  }

  // One canvas for two images: in turn, or their difference.
  addSingle() {
    const tile = element("figure")
    const canvas = element("canvas")
    canvas.dataset.item = this.mode
    name(canvas, this.mode)
    this.listen(canvas, () => {})
    const label = caption("", "")
    tile.append(canvas, label)
    this.stage.append(tile)
    const titles = [this.items[this.first].title, this.items[this.second].title]
    if (this.mode === "difference") {
      name(canvas, `Difference in brightness between ${titles.join(" and ")}`)
      label.firstChild.textContent = `Difference in brightness: ${titles[0]} | ${titles[1]}`
      const bar = scale()
      tile.append(bar)
      const source = () => {
        const found = this.difference()
        if (found) bar.lastChild.textContent = `${Math.round(found.most)} of 255`
        label.lastChild.textContent = found ? `mean ${found.mean.toFixed(1)} of 255` : ""
        return found ? found.heat : new Image()
      }
      this.canvases.push({ canvas, source })
      this.addRaw(titles)
      return
    }
    this.turned = false
    const source = () => {
      const place = this.turned ? this.second : this.first
      label.firstChild.textContent = this.items[place].title
      label.lastChild.textContent = this.items[place].badge
      canvas.dataset.shown = place
      return this.images[place]
    }
    this.canvases.push({ canvas, source })
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    if (this.mode === "blink" && !still) this.timer = setInterval(() => this.turn(), BLINK_MS)
  }

  addRaw(titles) {
    const tile = element("figure")
    const canvas = element("canvas")
    canvas.dataset.item = "raw difference"
    name(canvas, `Difference of colours between ${titles.join(" and ")}`)
    this.listen(canvas, () => {})
    tile.append(canvas, caption("Difference of colours", "black: none"))
    this.stage.append(tile)
    this.canvases.push({ canvas, source: () => this.difference()?.raw ?? new Image() })
  }

  draw() {
    for (const { canvas, source } of this.canvases) drawView(canvas, source(), this.view)
  }

  difference() {
    const pair = [this.images[this.first], this.images[this.second]]
    if (!pair.every((image) => image.complete && image.naturalWidth)) return null
    const key = `${this.first} ${this.second}`
    if (this.differenceOf !== key) {
      this.differenceOf = key
      this.found = differenceOf(...pair)
    }
    return this.found
  }

  // --- what people do ---

  choose(mode) {
    if (mode === "swap" && this.mode === "swap") {
      this.turn()
      return
    }
    this.mode = mode
    this.build()
    this.report()
    if (mode === "swap") this.turn()
    this.root.focus({ preventScroll: true })
  }

  // The server keeps mode and pair in the page's address.
  report() {
    this.tell({ mode: this.mode, first: this.first, second: this.second })
  }

  turn() {
    this.turned = !this.turned
    this.draw()
  }

  enlarge(place) {
    if (this.mode === "one") this.mode = "grid"
    else {
      this.mode = "one"
      this.enlarged = place
    }
    this.build()
  }

  zoom(factor, px, py) {
    zoomAt(this.view, factor, px, py)
    this.draw()
  }

  fit() {
    Object.assign(this.view, newView())
    this.draw()
  }

  key(event) {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey) return
    const pairs = this.items.length > 1
    if (viewKey(this.view, event.key)) this.draw()
    else if (pairs && event.key === "b") this.choose(this.mode === "blink" ? "grid" : "blink")
    else if (pairs && event.key === "s") this.choose("swap")
    else if (event.key === "Escape" && this.mode !== "grid") this.choose("grid")
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  listen(canvas, onclick) {
    let from = null
    let moved = false
    canvas.onpointerdown = (event) => {
      from = placeOf(canvas, event)
      moved = false
      canvas.setPointerCapture(event.pointerId)
    }
    canvas.onpointermove = (event) => {
      if (!from) return
      const to = placeOf(canvas, event)
      if (!moved && Math.hypot(to[0] - from[0], to[1] - from[1]) < 0.02) return
      moved = true
      pan(this.view, from[0] - to[0], from[1] - to[1])
      from = to
      this.draw()
    }
    canvas.onpointerup = () => {
      if (from && !moved) onclick()
      from = null
    }
    canvas.onpointercancel = () => (from = null)
    canvas.onwheel = (event) => {
      if (!event.ctrlKey) return // the page scrolls
      event.preventDefault()
      this.zoom(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, ...placeOf(canvas, event))
    }
  }
}

function caption(title, badge) {
  const made = element("figcaption")
  made.append(element("span", "title", title), element("span", "badge", badge))
  return made
}

// The scale of the heat map: dark is no difference, bright the largest.
function scale() {
  const made = element("div", "scale")
  const bar = element("span", "ramp")
  bar.style.background = `linear-gradient(to right, ${RAMP.map((c) => `rgb(${c})`)})`
  made.append(element("span", "", "0"), bar, element("span", "", ""))
  return made
}

// |first - second|, both drawn at the size of the larger: of brightness as a heat map from 0 to
// the largest, and raw per channel. Figures are 0..255.
function differenceOf(first, second) {
  const width = Math.max(first.naturalWidth, second.naturalWidth)
  const height = Math.max(first.naturalHeight, second.naturalHeight)
  const sheet = () => Object.assign(document.createElement("canvas"), { width, height })
  const [raw, heat] = [sheet(), sheet()]
  const context = raw.getContext("2d", { willReadFrequently: true })
  const pixels = [first, second].map((image) => {
    context.drawImage(image, 0, 0, width, height)
    return context.getImageData(0, 0, width, height)
  })
  const [a, b] = pixels.map((part) => part.data)
  const light = new Float32Array(width * height)
  const brightness = (p, i) => 0.2126 * p[i] + 0.7152 * p[i + 1] + 0.0722 * p[i + 2]
  for (let i = 0; i < a.length; i += 4) {
    light[i / 4] = Math.abs(brightness(a, i) - brightness(b, i))
    for (let c = i; c < i + 3; c++) a[c] = Math.abs(a[c] - b[c])
  }
  context.putImageData(pixels[0], 0, 0)
  const most = light.reduce((x, y) => Math.max(x, y), 0)
  const mean = light.reduce((x, y) => x + y, 0) / light.length
  const map = new ImageData(width, height)
  light.forEach((value, i) => map.data.set([...rampColour(most ? value / most : 0), 255], 4 * i))
  heat.getContext("2d").putImageData(map, 0, 0)
  return { raw, heat, mean, most }
}

function rampColour(share) {
  const place = share * (RAMP.length - 1)
  const low = Math.min(Math.floor(place), RAMP.length - 2)
  return RAMP[low].map((value, c) => value + (place - low) * (RAMP[low + 1][c] - value))
}
