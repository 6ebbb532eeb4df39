// What Streamlit leaves to the page: keys that never act inside a field, a word while the
// connection is lost, names for screen readers, and text nodes that a translator has moved.

const OFF = "protocore-shortcuts-off"
const PHONE = 768 // pixels; below it the sidebar lies over the page
const LOST_FOR = 1500 // milliseconds before a lost connection is worth a word
const ASK_EVERY = 2000 // milliseconds between two questions whether the server is back
const RELOAD_AFTER = 6000 // milliseconds of a server that is back and a page that is not
const app = () => document.querySelector("[data-testid=stApp]")

let kit = null

export default function (component) {
  const root = component.parentElement
  kit = { root, shortcuts: component.data.shortcuts }
  list(root, kit.shortcuts)
  if (!window.protocoreKit) {
    window.protocoreKit = true
    survive_translation()
    setInterval(look, 500)
    document.addEventListener("click", leave_sidebar, true)
  }
  // The newest copy of this script handles the keys: one listener, whichever page is shown.
  window.protocoreKey = press
  if (!window.protocoreKeys) {
    window.protocoreKeys = true
    document.addEventListener("keydown", (event) => window.protocoreKey(event))
  }
  window.protocoreLook = look_at_page
  name_home()
}

// --- keys ---

function list(root, shortcuts) {
  const names = [...shortcuts, { key: "?", label: "Show this list" }]
  root.querySelector("dl").replaceChildren(
    ...names.flatMap(({ key, label }) => {
      const term = document.createElement("dt")
      const meaning = document.createElement("dd")
      term.append(Object.assign(document.createElement("kbd"), { textContent: key }))
      meaning.textContent = label
      return [term, meaning]
    }),
  )
  const box = root.querySelector(".on")
  box.checked = !localStorage.getItem(OFF)
  box.onchange = () =>
    box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")
}

function focused() {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element
}

function in_field() {
  const element = focused()
  return (
    element?.isContentEditable ||
    !!element?.closest("input, textarea, select, [role=combobox], [role=listbox], [role=slider]")
  )
}

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented)
    return
  if (in_field() || document.querySelector("[role=dialog]")) return
  const dialog = kit.root.querySelector("dialog")
  if (dialog.open) return
  if (event.key === "?") {
    dialog.showModal()
    event.preventDefault()
    return
  }
  if (localStorage.getItem(OFF)) return
  const shortcut = kit.shortcuts.find(({ key }) => key === event.key)
  const button = shortcut && document.querySelector(`.st-key-${shortcut.button} button`)
  if (button && !button.disabled) {
    event.preventDefault()
    button.click()
  }
}

// --- the connection ---

let lost_at = 0
let asked_at = 0
let back_at = 0

function look() {
  window.protocoreLook()
}

function look_at_page() {
  name_home()
  explain_uploads()
  const connected = app()?.dataset.testConnectionState === "CONNECTED"
  const now = Date.now()
  const banner = kit.root.querySelector(".offline")
  if (connected) {
    if (!banner.hidden) banner.hidden = true
    lost_at = back_at = 0
    return
  }
  lost_at ||= now
  if (now - lost_at < LOST_FOR) return
  banner.hidden = false
  banner.textContent = back_at
    ? "The server is back: reconnecting …"
    : "The server does not answer: reconnecting … Runs go on once it is back."
  if (now - asked_at > ASK_EVERY) {
    asked_at = now
    ask()
  }
  if (back_at && now - back_at > RELOAD_AFTER) location.reload()
}

// Streamlit names the entry point after its file, "app". The text node stays React's own.
function name_home() {
  const label = document.querySelector("[data-testid=stSidebarNav] li:first-child a p")
  const text = label?.firstChild
  if (text?.nodeType === Node.TEXT_NODE && text.nodeValue !== "Home") text.nodeValue = "Home"
  label?.setAttribute("data-named", "")
}

async function ask() {
  try {
    const answer = await fetch(new URL("_stcore/health", document.baseURI), { cache: "no-store" })
    back_at = answer.ok ? back_at || Date.now() : 0
  } catch {
    back_at = 0
  }
}

// --- uploads ---

// What to do when the file did not arrive, by the answer of the server or of a proxy before it.
const REFUSED = {
  401: "The upload was refused (401): log in again and reload the page.",
  403: "The upload was refused (403) by a proxy or the app's own protection: reload the page and try again, or give a path on the server.",
  413: "The file is larger than the server or a proxy before it accepts (413): raise that limit, or give a path on the server.",
}
const CUT_OFF = "The upload was cut off before it was complete: try again, or give a path on the server."

function explain_uploads() {
  const failed = [...document.querySelectorAll("[data-testid=stFileChipIconError]")]
  const notice = kit.root.querySelector(".upload")
  notice.hidden = !failed.length
  if (!failed.length) return
  const chip = failed[0].closest("[data-testid=stFileChip]") || failed[0].parentElement
  const code = chip.parentElement.outerHTML.match(/status code (\d+)/)?.[1]
  const text = REFUSED[code] || CUT_OFF
  if (notice.textContent !== text) notice.textContent = text
}

// --- the sidebar on a phone ---

function leave_sidebar(event) {
  if (window.innerWidth > PHONE || !event.target.closest?.(".st-key-start_bar button")) return
  document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
}

// --- translators ---

// They wrap text in <font>; React then removes or inserts beside nodes that are elsewhere by now,
// which throws and leaves an empty page. What has moved already needs no second move.
function survive_translation() {
  const remove = Node.prototype.removeChild
  Node.prototype.removeChild = function (child) {
    return child.parentNode === this ? remove.call(this, child) : child
  }
  const insert = Node.prototype.insertBefore
  Node.prototype.insertBefore = function (node, before) {
    return insert.call(this, node, before && before.parentNode !== this ? null : before)
  }
}
