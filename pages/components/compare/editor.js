// Mark parts of an image with a box or a brush. Where the server answers with an edited image, it
// is shown beside it.

const editors = new WeakMap()
const DRAW_ON = "Image to draw on. Arrow keys move a cross, Enter sets two corners of a box."
const CROSS_STEP = 0.02 // of the image; five times that with Shift
const SMALLEST = 0.01 // a box narrower than this share is a slip of the hand

export default function (component) {
  const { data, parentElement, setStateValue } = component
  let editor = editors.get(parentElement)
  if (!editor) {
    editor = new Editor(parentElement.querySelector(".viewer"))
    editors.set(parentElement, editor)
  }
  editor.send = (shapes) => setStateValue("drawn", { id: editor.id, shapes })
  editor.show(data)
  return () => {
    editor.resize.disconnect()
    editors.delete(parentElement)
  }
}

class Editor {
  constructor(root) {
    this.root = root
    this.view = newView()
    this.tool = "box"
    this.radius = 0.06
    this.shapes = []
    this.build()
    this.resize = new ResizeObserver(() => this.draw())
    this.resize.observe(root)
    root.onkeydown = (event) => this.key(event)
  }

  show(data) {
    if (data.id !== this.id) {
      this.id = data.id
      this.shapes = data.shapes
      this.original = loadImage(data.image, () => this.draw())
    }
    const pair = data.edited !== null
    this.canvases[1].parentElement.hidden = !pair
    this.stage.className = pair ? "stage pair" : "stage one"
    this.hint.textContent = data.hint
    if (pair && data.edited !== this.editedSource) {
      this.editedSource = data.edited
      this.edited = loadImage(data.edited, () => this.draw())
    }
    this.draw()
  }

  build() {
    const bar = element("div", "bar")
    const tools = element("span", "modes")
    this.toolButtons = ["box", "brush"].map((tool) => {
      const label = tool === "box" ? "Box" : "Brush"
      const made = button(label, `Draw with a ${tool}`, () => this.choose(tool))
      made.dataset.tool = tool
      tools.append(made)
      return made
    })
    const size = element("input")
    Object.assign(size, { type: "range", min: 1, max: 20, value: 6, ariaLabel: "Brush size" })
    size.oninput = () => (this.radius = Number(size.value) / 100)
    bar.append(
      tools,
      size,
      button("Undo", "Take back the last region", () => this.change(this.shapes.slice(0, -1))),
      button("Clear", "Take back all regions", () => this.change([])),
      button("−", "Zoom out (−)", () => this.zoom(1 / ZOOM_STEP)),
      button("+", "Zoom in (+)", () => this.zoom(ZOOM_STEP)),
      (this.hint = element("span", "hint")),
    )
    this.stage = element("div", "stage pair")
    this.canvases = ["before", "after"].map((side) => {
      const tile = element("figure")
      const canvas = element("canvas")
      canvas.dataset.item = side
      canvas.setAttribute("role", "img")
      canvas.setAttribute("aria-label", side === "before" ? DRAW_ON : "Edited image")
      canvas.tabIndex = 0
      tile.append(canvas)
      this.stage.append(tile)
      return canvas
    })
    this.listen(this.canvases[0])
    this.canvases[0].onkeydown = (event) => this.drawByKey(event)
    this.canvases[0].onblur = () => {
      this.cross = this.corner = this.open = null
      this.draw()
    }
    this.root.replaceChildren(bar, this.stage)
    this.choose(this.tool)
  }

  choose(tool) {
    this.tool = tool
    for (const made of this.toolButtons) {
      made.setAttribute("aria-pressed", String(made.dataset.tool === tool))
    }
  }

  zoom(factor) {
    zoomAt(this.view, factor)
    this.draw()
  }

  key(event) {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey) return
    if (!viewKey(this.view, event.key)) return
    this.draw()
    event.preventDefault()
    event.stopPropagation()
  }

  // A box without a mouse: the arrows move a cross, Enter sets a corner and the one across.
  drawByKey(event) {
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    }
    if (event.key === "Escape" && this.corner) this.corner = this.open = null
    else if (event.key === "Enter" || event.key === " ") this.setCorner()
    else if (moves[event.key]) {
      const step = CROSS_STEP * (event.shiftKey ? 5 : 1)
      const within = (value) => Math.min(Math.max(value, 0), 1)
      this.cross = (this.cross ?? [0.5, 0.5]).map((v, i) => within(v + step * moves[event.key][i]))
      if (this.corner) this.open = boxOf(this.corner, this.cross)
    } else return
    this.draw()
    event.preventDefault()
    event.stopPropagation()
  }

  setCorner() {
    this.cross ??= [0.5, 0.5]
    if (!this.corner) {
      this.corner = this.cross
      return
    }
    const box = boxOf(this.corner, this.cross)
    this.corner = this.open = null
    if (box.right - box.left >= SMALLEST && box.bottom - box.top >= SMALLEST) {
      this.change([...this.shapes, box])
    }
  }

  change(shapes) {
    this.shapes = shapes
    this.draw()
    this.send(shapes)
  }

  draw() {
    const [before, after] = this.canvases
    if (this.original) drawView(before, this.original, this.view)
    if (this.edited) drawView(after, this.edited, this.view)
    for (const shape of [...this.shapes, this.open]) if (shape) this.outline(before, shape)
    if (this.cross) this.drawCross(before)
  }

  drawCross(canvas) {
    const context = canvas.getContext("2d")
    const [x, y] = toCanvas(this.view, ...this.cross)
    const [px, py] = [x * canvas.width, y * canvas.height]
    for (const [colour, width] of [["white", 5], ["rgb(228, 87, 46)", 2]]) {
      context.strokeStyle = colour
      context.lineWidth = width
      context.beginPath()
      context.moveTo(px - 14, py)
      context.lineTo(px + 14, py)
      context.moveTo(px, py - 14)
      context.lineTo(px, py + 14)
      context.stroke()
    }
  }

  outline(canvas, shape) {
    const context = canvas.getContext("2d")
    const at = (x, y) => {
      const [px, py] = toCanvas(this.view, x, y)
      return [px * canvas.width, py * canvas.height]
    }
    context.strokeStyle = context.fillStyle = "rgba(228, 87, 46, 0.75)"
    context.lineCap = context.lineJoin = "round"
    if (shape.kind === "box") {
      const [left, top] = at(shape.left, shape.top)
      const [right, bottom] = at(shape.right, shape.bottom)
      context.lineWidth = 3
      context.strokeRect(left, top, right - left, bottom - top)
      return
    }
    context.lineWidth = 2 * shape.radius * this.view.scale * canvas.width
    context.beginPath()
    shape.points.forEach(([x, y], place) => {
      if (place === 0) context.moveTo(...at(x, y))
      context.lineTo(...at(x, y))
    })
    context.stroke()
  }

  listen(canvas) {
    let start = null
    const inside = (event) =>
      toImage(this.view, ...placeOf(canvas, event)).map((v) => Math.min(Math.max(v, 0), 1))
    canvas.onpointerdown = (event) => {
      start = inside(event)
      canvas.setPointerCapture(event.pointerId)
      const stroke = { kind: "brush", points: [start], radius: this.radius }
      this.open = this.tool === "box" ? null : stroke
      this.draw()
    }
    canvas.onpointermove = (event) => {
      if (!start) return
      if (this.tool === "box") this.open = boxOf(start, inside(event))
      else this.open.points.push(inside(event))
      this.draw()
    }
    const finish = () => {
      const shape = this.open
      start = this.open = null
      const slip = shape?.kind === "box"
        && (shape.right - shape.left < SMALLEST || shape.bottom - shape.top < SMALLEST)
      if (shape && !slip) this.change([...this.shapes, shape])
      else this.draw()
    }
    canvas.onpointerup = finish
    canvas.onpointercancel = finish
  }
}

function boxOf(a, b) {
  const [left, right] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])]
  const [top, bottom] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])]
  return { kind: "box", left, right, top, bottom }
}
