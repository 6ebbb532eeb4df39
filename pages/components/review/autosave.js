// Hand over what is being typed after a pause, without leaving the field: a text area commits on
// Ctrl+Enter, which this presses. Should that ever change, it still commits when it loses focus.

const PAUSE = 900 // milliseconds without a key
const BOX = ".st-key-review_autosave_box textarea"
const waiting = new WeakMap()

function typed(event) {
  const area = event.target
  if (!(area instanceof HTMLTextAreaElement) || !area.matches(BOX)) return
  clearTimeout(waiting.get(area))
  waiting.set(
    area,
    setTimeout(() => {
      const press = { key: "Enter", code: "Enter", ctrlKey: true, bubbles: true, cancelable: true }
      if (area.isConnected) area.dispatchEvent(new KeyboardEvent("keydown", press))
    }, PAUSE),
  )
}

export default function () {
  document.addEventListener("input", typed, true)
  return () => document.removeEventListener("input", typed, true)
}
