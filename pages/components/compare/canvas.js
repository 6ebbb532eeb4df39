// What the viewer and the editor share: one view (zoom and place) for all canvases.
// Coordinates of images are shares of width and height, 0..1 from the top left corner.

const LARGEST_SCALE = 32
const ZOOM_STEP = 1.25
const PAN_STEP = 0.1 // of what is seen

const newView = () => ({ scale: 1, x: 0.5, y: 0.5 })

function clampView(view) {
  view.scale = Math.min(Math.max(view.scale, 1), LARGEST_SCALE)
  const half = 0.5 / view.scale
  view.x = Math.min(Math.max(view.x, half), 1 - half)
  view.y = Math.min(Math.max(view.y, half), 1 - half)
}

// Zoom so that the place (px, py) of the canvas, in shares, stays where it is.
function zoomAt(view, factor, px = 0.5, py = 0.5) {
  const [x, y] = toImage(view, px, py)
  view.scale = Math.min(Math.max(view.scale * factor, 1), LARGEST_SCALE)
  view.x = x - (px - 0.5) / view.scale
  view.y = y - (py - 0.5) / view.scale
  clampView(view)
}

function pan(view, dx, dy) {
  view.x += dx / view.scale
  view.y += dy / view.scale
  clampView(view)
}

const toImage = (view, px, py) => [
  view.x + (px - 0.5) / view.scale,
  view.y + (py - 0.5) / view.scale,
]
const toCanvas = (view, x, y) => [
  (x - view.x) * view.scale + 0.5,
  (y - view.y) * view.scale + 0.5,
]

function placeOf(canvas, event) {
  const box = canvas.getBoundingClientRect()
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
}

// Draw the part of `source` (an image or a canvas) that the view shows.
function drawView(canvas, source, view) {
  const width = source.naturalWidth || source.width
  const height = source.naturalHeight || source.height
  if (!width || !height) return
  const ratio = window.devicePixelRatio || 1
  const wide = Math.max(1, Math.round(canvas.clientWidth * ratio))
  const high = Math.max(1, Math.round((wide * height) / width))
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide
    canvas.height = high
  }
  const context = canvas.getContext("2d")
  context.imageSmoothingEnabled = (wide / width) * view.scale < 8
  context.drawImage(
    source,
    (view.x - 0.5 / view.scale) * width,
    (view.y - 0.5 / view.scale) * height,
    width / view.scale,
    height / view.scale,
    0,
    0,
    canvas.width,
    canvas.height,
  )
  canvas.dataset.scale = view.scale.toFixed(3)
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

// What a screen reader says of a canvas, and a way to it by the keyboard.
function name(canvas, label) {
  canvas.setAttribute("role", "img")
  canvas.setAttribute("aria-label", label)
  canvas.tabIndex = 0
}

function button(label, title, onclick) {
  const made = element("button", "", label)
  made.type = "button"
  made.title = title
  made.onclick = onclick
  return made
}

function loadImage(source, ready) {
  const image = new Image()
  image.onload = ready
  image.src = source
  return image
}

// Keys that change the view; returns whether this was one.
function viewKey(view, key) {
  if (key === "+" || key === "=") zoomAt(view, ZOOM_STEP)
  else if (key === "-" || key === "_") zoomAt(view, 1 / ZOOM_STEP)
  else if (key === "0") Object.assign(view, newView())
  else if (key === "ArrowLeft") pan(view, -PAN_STEP, 0)
  else if (key === "ArrowRight") pan(view, PAN_STEP, 0)
  else if (key === "ArrowUp") pan(view, 0, -PAN_STEP)
  else if (key === "ArrowDown") pan(view, 0, PAN_STEP)
  else return false
  return true
}
