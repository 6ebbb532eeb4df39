// The prototypes of a run: one group per class, one column per seed, as large as the window allows;
// full size with arrows; a contrast stretch and a zoom that change the display alone.

const STORE = "protocore-pictures"
const SIZES = { Fit: 0, S: 120, M: 200, L: 340 } // pixels
const LARGEST = 560 // pixels; one picture alone need not fill the screen
const SMALLEST = 112
const GAP = 6.4 // between pictures, between groups GROUP_GAP, as in pictures.css
const GROUP_GAP = 16
const LABELS = 46 // pixels: the class above and the seed below
const TAIL = 0.01 // share of the brightest and darkest pixels that a stretch may cut off
const SAMPLE = 64 // pixels; a picture's brightness is read from a copy of this width
const MOTIF_MARGIN = 0.08 // of the picture, around the motif
const grids = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let grid = grids.get(parentElement)
  if (!grid) {
    grid = new Grid(parentElement.querySelector(".grid"))
    grids.set(parentElement, grid)
  }
  grid.show(data)
  return () => {
    grid.close()
    grids.delete(parentElement)
  }
}

class Grid {
  constructor(root) {
    this.root = root
    this.shape = ""
    this.choice = { size: "Fit", pixels: false, stretch: false, zoom: false, look: false,
      ...stored() }
    this.onresize = () => this.resize()
    this.observer = new ResizeObserver(this.onresize)
    this.observer.observe(root)
    window.addEventListener("resize", this.onresize)
  }

  close() {
    this.observer.disconnect()
    window.removeEventListener("resize", this.onresize)
  }

  show(data) {
    this.data = data
    const shape = JSON.stringify([data.groups, data.items.map((item) => item.title)])
    if (shape !== this.shape) {
      this.shape = shape
      this.build()
    }
    this.fill()
  }

  // --- what is there ---

  build() {
    const { data } = this
    this.tools = element("div", "tools")
    this.groups = element("div", "groups")
    this.groups.setAttribute("role", "group")
    this.groups.setAttribute("aria-label", data.label)
    this.cells = data.items.map((item, index) => this.cell(item, index))
    data.groups.forEach((name, number) => {
      const group = element("section", "group")
      const row = element("div", "row")
      row.append(
        ...this.cells.filter((_, i) => data.items[i].group === number).map((cell) => cell.figure),
      )
      const heading = element("h2", "", name)
      heading.title = name
      group.append(heading, row)
      this.groups.append(group)
    })
    this.dialog = element("dialog")
    this.dialog.setAttribute("aria-label", "Prototype in full size")
    this.dialog.onkeydown = (event) => this.key(event)
    this.dialog.onclick = (event) => event.target === this.dialog && this.dialog.close()
    this.opened = null
    this.root.replaceChildren(this.tools, this.groups, this.dialog)
    this.draw_tools()
    this.resize()
  }

  cell(item, index) {
    const figure = element("figure")
    const open = element("button", "open")
    const image = element("img")
    const chip = element("span", "chip")
    const hover = element("div", "hover")
    open.append(image, chip)
    open.onclick = () => this.enlarge(index)
    image.onload = () => this.display(image, this.data.items[index])
    figure.append(open, element("figcaption", "", item.caption), hover)
    figure.onpointerenter = () => {
      this.turn(figure)
      highlight(index)
    }
    figure.onpointerleave = () => highlight(null)
    return { figure, open, image, chip, hover }
  }

  fill() {
    this.cells.forEach((cell, index) => {
      const item = this.data.items[index]
      const said = `Prototype of ${item.title}, ${item.badge}`
      if (cell.image.src !== item.image) cell.image.src = item.image
      else this.display(cell.image, item)
      cell.image.alt = said
      cell.open.setAttribute("aria-label", `${said}: open full size`)
      cell.chip.textContent = item.badge
      cell.hover.replaceChildren(...likely(item))
    })
    if (this.dialog.open) this.fill_dialog()
  }

  // --- choices that change the display alone ---

  draw_tools() {
    const sizes = element("span", "set")
    sizes.setAttribute("role", "group")
    sizes.setAttribute("aria-label", "Size of the pictures")
    for (const name of Object.keys(SIZES)) {
      sizes.append(this.switch(name, this.choice.size === name, () => ({ size: name })))
    }
    const { pixels, stretch, zoom, look } = this.choice
    const set = element("span", "set")
    set.append(this.switch("Whole pixels", pixels, () => ({ pixels: !pixels })))
    set.append(this.switch("Stretch contrast", stretch, () => ({ stretch: !stretch })))
    const motifs = this.data.items.some((item) => item.motif)
    if (motifs) set.append(this.switch("Zoom to motif", zoom, () => ({ zoom: !zoom })))
    const maps = this.data.items.some((item) => item.where)
    if (maps) set.append(this.switch("Where it looked", look, () => ({ look: !look })))
    const changed = [look && maps && "the rest dimmed", stretch && "contrast stretched", zoom && motifs && "zoomed"].filter(Boolean)
    this.tools.replaceChildren(sizes, set)
    if (changed.length) {
      this.tools.append(element("span", "mark", `Display only: ${changed.join(", ")}`))
    }
  }

  switch(name, on, change) {
    const button = element("button", "", name)
    button.setAttribute("aria-pressed", String(on))
    button.onclick = () => {
      Object.assign(this.choice, change())
      store(this.choice)
      this.draw_tools()
      this.resize()
      this.fill()
    }
    return button
  }

  display(image, item) {
    const { stretch, zoom, look } = this.choice
    const map = look && item.where
    image.parentElement.style.setProperty("--picture", map ? `url(${item.image})` : "none")
    image.style.maskImage = map ? `url(data:image/png;base64,${item.where})` : ""
    image.style.filter = stretch ? stretched(image) : ""
    image.style.transformOrigin = "0 0"
    image.style.transform = zoom && item.motif ? zoomed(item.motif) : ""
  }

  // --- sizes ---

  resize() {
    if (!this.groups) return
    const width = this.root.clientWidth
    if (!width) return
    const count = this.data.groups.length
    const columns = this.data.columns
    const per_line = (size) => Math.floor((width + GROUP_GAP) / (columns * (size + GAP) + 10))
    let size = SIZES[this.choice.size]
    let groups = size && Math.min(count, Math.max(1, per_line(size)))
    if (!size) [size, groups] = this.fitting(width, count, columns)
    size = Math.min(size, (width - GAP * (columns - 1)) / columns)
    if (this.choice.pixels) size = whole_multiple(size, this.cells[0]?.image.naturalWidth)
    size = Math.floor(size)
    this.root.classList.toggle("pixels", this.choice.pixels)
    this.groups.style.gridTemplateColumns = `repeat(${groups}, auto)`
    for (const row of this.root.querySelectorAll(".row")) {
      row.style.gridTemplateColumns = `repeat(${columns}, ${size}px)`
      row.previousSibling.style.maxWidth = `${columns * (size + GAP)}px`
    }
    for (const { open } of this.cells) open.style.width = open.style.height = `${size}px`
  }

  // The number of groups in a line with which the pictures are largest and all in sight.
  fitting(width, count, columns) {
    const height = window.innerHeight - top_of(this.groups) - 16
    let best = [0, 1]
    for (let groups = 1; groups <= count; groups++) {
      const lines = Math.ceil(count / groups)
      const wide = (width - GROUP_GAP * (groups - 1)) / groups
      const size = Math.min(wide / columns - GAP, height / lines - LABELS - 10, LARGEST)
      if (size > best[0]) best = [size, groups]
    }
    if (best[0] >= SMALLEST) return best
    const groups = Math.max(1, Math.floor(width / (columns * (SMALLEST + GAP) + GROUP_GAP)))
    return [SMALLEST, Math.min(count, groups)]
  }

  turn(figure) {
    const box = figure.getBoundingClientRect()
    figure.classList.toggle("up", box.bottom + 170 > window.innerHeight)
    figure.classList.toggle("left", box.left + 250 > window.innerWidth)
  }

  // --- full size ---

  enlarge(index) {
    this.opened = index
    this.fill_dialog()
    if (!this.dialog.open) this.dialog.showModal()
  }

  fill_dialog() {
    const count = this.data.items.length
    const item = this.data.items[this.opened]
    let image = this.dialog.querySelector("img")
    if (!image) {
      this.build_dialog()
      image = this.dialog.querySelector("img")
    }
    if (image.src !== item.image) image.src = item.image
    else this.display(image, item)
    image.alt = `Prototype of ${item.title}, ${item.badge}`
    const room = Math.min(window.innerHeight * 0.86, window.innerWidth * 0.9)
    const beside = window.innerWidth > 700 ? window.innerWidth * 0.9 - 320 : room
    let size = Math.min(room, beside)
    if (this.choice.pixels) size = whole_multiple(size, image.naturalWidth || size)
    const view = this.dialog.querySelector(".view")
    view.style.width = view.style.height = `${Math.floor(size)}px`
    this.dialog.querySelector("h2").textContent = item.title
    this.dialog.querySelector("p").textContent = [item.badge, item.note].filter(Boolean).join(" · ")
    this.dialog.querySelector(".five").replaceChildren(...likely(item))
    this.dialog.querySelector(".number").textContent = `${this.opened + 1} of ${count}`
  }

  build_dialog() {
    const full = element("div", "full")
    const view = element("div", "view")
    const text = element("div")
    const image = element("img")
    image.onload = () => this.display(image, this.data.items[this.opened])
    view.append(image)
    const nav = element("div", "nav")
    const step = (by, name, sign) => {
      const button = element("button", "", sign)
      button.setAttribute("aria-label", name)
      button.onclick = () => this.step(by)
      return button
    }
    const close = element("button", "", "Close")
    close.onclick = () => this.dialog.close()
    nav.append(step(-1, "Previous", "←"), element("span", "number"), step(1, "Next", "→"), close)
    text.append(element("h2"), element("p"), element("div", "five"), nav)
    full.append(view, text)
    this.dialog.replaceChildren(full)
  }

  step(by) {
    const count = this.data.items.length
    this.enlarge((this.opened + by + count) % count)
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (!by) return
    event.preventDefault()
    this.step(by)
  }
}

// --- pieces ---

function element(name, style = "", text = "") {
  const node = document.createElement(name)
  if (style) node.className = style
  if (text) node.textContent = text
  return node
}

function likely(item) {
  if (!item.top.length) return []
  const list = element("div", "likely")
  for (const { name, share, own } of item.top) {
    const bar = element("div", own ? "bar own" : "bar")
    const fill = element("i")
    fill.style.width = `${100 * share}%`
    bar.append(fill, element("span", "", name))
    list.append(bar, element("div", "share", share.toFixed(2)))
  }
  return [list]
}

function whole_multiple(size, natural) {
  if (!natural) return size
  return size >= natural
    ? Math.floor(size / natural) * natural
    : natural / Math.ceil(natural / size)
}

function top_of(node) {
  const scroller = document.querySelector("[data-testid=stMain]")
  return node.getBoundingClientRect().top + (scroller?.scrollTop || 0)
}

function highlight(index) {
  window.dispatchEvent(new CustomEvent("protocore-highlight", { detail: index }))
}

// CSS filters that map the darkest and brightest grey of the picture to black and white.
function stretched(image) {
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = SAMPLE
  const context = canvas.getContext("2d", { willReadFrequently: true })
  context.drawImage(image, 0, 0, SAMPLE, SAMPLE)
  const { data } = context.getImageData(0, 0, SAMPLE, SAMPLE)
  const greys = []
  for (let i = 0; i < data.length; i += 4) {
    greys.push((0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]) / 255)
  }
  greys.sort((a, b) => a - b)
  const low = greys[Math.floor(TAIL * (greys.length - 1))]
  const high = greys[Math.ceil((1 - TAIL) * (greys.length - 1))]
  if (high - low < 0.02) return "" // nothing there to stretch
  const slope = 1 / (high - low)
  const contrast = 1 + 2 * slope * low // contrast(c) maps x to c x + (1 - c) / 2
  return `brightness(${slope / contrast}) contrast(${contrast})`
}

function zoomed([left, top, width, height]) {
  const side = Math.min(1, Math.max(width, height) + 2 * MOTIF_MARGIN)
  const x = Math.min(Math.max(left + width / 2 - side / 2, 0), 1 - side)
  const y = Math.min(Math.max(top + height / 2 - side / 2, 0), 1 - side)
  return `scale(${1 / side}) translate(${-100 * x}%, ${-100 * y}%)`
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) || {}
  } catch {
    return {} // no storage in this browser, or not ours
  }
}

function store(choice) {
  try {
    localStorage.setItem(STORE, JSON.stringify(choice))
  } catch {
    // private windows may refuse; the choice then holds for this page
  }
}
