// The elements of the pages, named as HTML and SVG name them.

let html = Tag("html")
let head = Tag("head")
let meta = Tag("meta", isVoid: true)
let link = Tag("link", isVoid: true)
let pageTitle = Tag("title")
let script = Tag("script")
let noscript = Tag("noscript")
let pageBody = Tag("body")

let header = Tag("header")
let nav = Tag("nav")
let main = Tag("main")
let footer = Tag("footer")
let section = Tag("section")
let div = Tag("div")
let h1 = Tag("h1")
let h2 = Tag("h2")
let h3 = Tag("h3")
let h4 = Tag("h4")
let p = Tag("p")
let span = Tag("span")
let strong = Tag("strong")
let small = Tag("small")
let code = Tag("code")
let pre = Tag("pre")
let kbd = Tag("kbd")
let a = Tag("a")
let ul = Tag("ul")
let ol = Tag("ol")
let li = Tag("li")
let dl = Tag("dl")
let dt = Tag("dt")
let dd = Tag("dd")
let time = Tag("time")
let details = Tag("details")
let summary = Tag("summary")

let table = Tag("table")
let caption = Tag("caption")
let thead = Tag("thead")
let tbody = Tag("tbody")
let tr = Tag("tr")
let th = Tag("th")
let td = Tag("td")

let form = Tag("form")
let fieldset = Tag("fieldset")
let legend = Tag("legend")
let label = Tag("label")
let input = Tag("input", isVoid: true)
let textarea = Tag("textarea")
let select = Tag("select")
let option = Tag("option")
let button = Tag("button")
let dialog = Tag("dialog")

let svg = Tag("svg")
let svgTitle = Tag("title")
let rect = Tag("rect")
let line = Tag("line")
let polyline = Tag("polyline")
let polygon = Tag("polygon")
let circle = Tag("circle")
let svgText = Tag("text")

extension Attribute {
    static func `class`(_ names: String) -> Attribute { Attribute("class", names) }
    static func id(_ id: String) -> Attribute { Attribute("id", id) }
    /// A link's target; see `Target` for why it is no text.
    static func href(_ target: Target) -> Attribute { Attribute("href", target.text) }
    static func title(_ text: String) -> Attribute { Attribute("title", text) }
    static func type(_ type: String) -> Attribute { Attribute("type", type) }
    static func name(_ name: String) -> Attribute { Attribute("name", name) }
    static func value(_ value: String) -> Attribute { Attribute("value", value) }
    static func labelled(_ text: String) -> Attribute { Attribute("aria-label", text) }
    static func labelled(by id: String) -> Attribute { Attribute("aria-labelledby", id) }
    static func role(_ role: String) -> Attribute { Attribute("role", role) }
    static let columnHeader = Attribute("scope", "col")
    static let rowHeader = Attribute("scope", "row")
    static let decorative = Attribute("aria-hidden", "true")
    static let current = Attribute("aria-current", "page")
    static let hidden = Attribute("hidden", nil)
    /// What the page's script brings up to date, by its id.
    static let live = Attribute("data-live", nil)
}
