/// What a state means to an operator: its colour, and an icon that says the same without colour.
enum Tone: String {
    /// It ended as it should.
    case good
    /// It ended without effect, or it is of no concern.
    case calm
    /// It is under way.
    case busy
    /// tandem tries again by itself.
    case retry
    /// Its decision is not known yet, after it should be.
    case doubt
    /// A person has to act.
    case bad

    /// A state as a word with its icon.
    func pill(_ word: String) -> HTML {
        span(.class("pill \(rawValue)")) {
            icon
            word
        }
    }

    /// The icon; the words around it say the same.
    var icon: HTML {
        svg(
            .class("icon"), Attribute("viewBox", "0 0 16 16"), .decorative,
            Attribute("focusable", "false")
        ) {
            switch self {
            case .good: polyline(Attribute("points", "3,8.5 6.5,12 13,4.5"))
            case .calm: line(.x1("4"), .y1("8"), .x2("12"), .y2("8"))
            case .busy:
                circle(Attribute("cx", "8"), Attribute("cy", "8"), Attribute("r", "3.5"))
            case .retry:
                polyline(Attribute("points", "13,5 13,9 9,9"))
                polyline(
                    Attribute(
                        "points", "12.6,8.6 11.4,5.2 8,3.6 4.8,5 3.4,8.4 4.8,11.6 8,12.8 11,11.8"))
            case .doubt:
                polyline(Attribute("points", "5,6 5.6,4 8,3 10.4,4 11,6 10,7.6 8,8.6 8,10.2"))
                line(.x1("8"), .y1("12.6"), .x2("8"), .y2("13"))
            case .bad:
                polygon(Attribute("points", "8,2 14.5,13.5 1.5,13.5"))
                line(.x1("8"), .y1("6.5"), .x2("8"), .y2("9.5"))
                line(.x1("8"), .y1("11.4"), .x2("8"), .y2("11.8"))
            }
        }
    }
}

extension Attribute {
    static func x1(_ value: String) -> Attribute { Attribute("x1", value) }
    static func x2(_ value: String) -> Attribute { Attribute("x2", value) }
    static func y1(_ value: String) -> Attribute { Attribute("y1", value) }
    static func y2(_ value: String) -> Attribute { Attribute("y2", value) }
}
