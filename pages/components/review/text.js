// A text field that loses nothing. Every keystroke goes into the browser's storage at once, and to
// the server after a pause and when the field is left; what the server has confirmed is taken out
// of the storage again. Coming back, what the server never got is shown and sent.

const PAUSE = 600 // milliseconds without a key
const LEAVING = 2000 // milliseconds in which a link leads to another page
const fields = new WeakMap()

export default function (component) {
  const { data, parentElement, setStateValue } = component
  let field = fields.get(parentElement)
  if (!field) {
    field = new Field(parentElement, data)
    fields.set(parentElement, field)
  }
  field.send = (value) => setStateValue("typed", value)
  field.show(data)
  return () => {
    field.close()
    fields.delete(parentElement)
  }
}

class Field {
  constructor(parent, data) {
    const label = parent.querySelector("label")
    this.name = label.querySelector(".name")
    this.status = label.querySelector(".status")
    this.area = document.createElement(data.rows > 1 ? "textarea" : "input")
    this.area.id = label.htmlFor = "field"
    parent.querySelector(".field").replaceChildren(this.area)
    this.area.addEventListener("input", () => this.typed())
    this.area.addEventListener("blur", () => this.flush())
    // Letters that one types are no shortcuts of the page.
    this.area.addEventListener("keydown", (event) => this.key(event))
    this.hidden = () => this.flush()
    this.left = () => this.pause()
    this.pressed = (event) => this.press(event)
    document.addEventListener("pointerdown", this.pressed, true)
    document.addEventListener("visibilitychange", this.hidden)
    window.addEventListener("popstate", this.left, true)
  }

  close() {
    this.pause()
    clearTimeout(this.leaving)
    document.removeEventListener("pointerdown", this.pressed, true)
    document.removeEventListener("visibilitychange", this.hidden)
    window.removeEventListener("popstate", this.left, true)
  }

  // A click is to find the text sent. But a text sent while the page is being left would call the
  // page back: it stays in the storage, and is sent on coming back.
  press(event) {
    if (!event.composedPath().some((node) => node.tagName === "A" && node.href)) return this.flush()
    this.pause()
    this.leaving = setTimeout(() => {
      this.leaving = null
      this.flush()
    }, LEAVING)
  }

  key(event) {
    event.stopPropagation()
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || this.area.tagName === "INPUT")) {
      this.flush()
    }
  }

  show(data) {
    Object.assign(this.area, { maxLength: data.most, placeholder: data.placeholder })
    this.area.style.setProperty("--rows", data.rows)
    this.name.textContent = data.label
    if (data.place !== this.place || data.version !== this.version) this.open(data)
    else if (data.text !== this.server) this.answered(data.text)
  }

  // Another text, or this one made anew: what the server has, and what it never got.
  open(data) {
    this.pause()
    this.place = data.place
    this.version = data.version
    this.server = data.text
    this.sent = []
    const kept = this.kept()
    this.area.value = data.text
    if (kept && kept.version === data.version && kept.text !== data.text) {
      this.area.value = kept.known.includes(data.text) ? kept.text : joined(data.text, kept.text)
      this.keep()
      this.flush()
    } else this.forget()
    this.say()
  }

  // The server has another text than before: one of those sent, or what another tab has written.
  answered(text) {
    this.server = text
    const place = this.sent.lastIndexOf(text)
    if (place >= 0) this.sent.splice(0, place + 1)
    else {
      const unsent = this.sent.length || this.waiting
      this.area.value = unsent ? joined(text, this.area.value) : text
      if (unsent) this.typed()
    }
    if (this.area.value === text) this.forget()
    this.say()
  }

  typed() {
    this.keep()
    this.pause()
    this.waiting = setTimeout(() => this.flush(), PAUSE)
    this.say()
  }

  pause() {
    clearTimeout(this.waiting)
    this.waiting = null
  }

  flush() {
    if (this.leaving) return
    this.pause()
    const last = this.sent.length ? this.sent.at(-1) : this.server
    if (this.area.value === last) return
    this.sent.push(this.area.value)
    this.keep()
    this.send({ place: this.place, version: this.version, text: this.area.value, at: Date.now() })
  }

  say() {
    const saved = this.area.value === this.server
    this.status.textContent = saved ? (this.area.value ? "Saved" : "") : "Saving …"
  }

  get entry() {
    return `protocore text ${this.place}`
  }

  kept() {
    try {
      return JSON.parse(localStorage.getItem(this.entry))
    } catch {
      return null
    }
  }

  keep() {
    const known = [this.server, ...this.sent]
    const { version } = this
    try {
      localStorage.setItem(this.entry, JSON.stringify({ text: this.area.value, version, known }))
    } catch {
      // Storage is full or forbidden: the text still goes to the server.
    }
  }

  forget() {
    try {
      localStorage.removeItem(this.entry)
    } catch {
      // Nothing is kept where storage is forbidden.
    }
  }
}

// Two texts that grew apart: the one that holds the other, else both.
function joined(a, b) {
  if (a.includes(b)) return a
  return b.includes(a) ? b : `${a}\n${b}`
}
