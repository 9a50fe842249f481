/// A small chart of a number over the last hour, drawn without axes and described in words.
struct Sparkline {
    /// How the values are drawn.
    enum Style: String { case area, bars }

    let style: Style
    /// One value a bucket, the oldest first; nil where nothing was observed.
    let values: [Double?]
    /// What a person who does not see it gets.
    let description: String

    private static let width = 240.0
    private static let height = 56.0

    var html: HTML {
        svg(
            .class("spark \(style.rawValue)"),
            Attribute("viewBox", "0 0 \(Int(Self.width)) \(Int(Self.height))"),
            Attribute("preserveAspectRatio", "none"), .role("img"), .labelled(description)
        ) {
            line(.class("base"), .x1("0"), .y1("55.5"), .x2("240"), .y2("55.5"))
            switch style {
            case .area: for run in runs { area(run) }
            case .bars: for (index, value) in values.enumerated() { bar(index, value ?? 0) }
            }
        }
    }

    private var top: Double { max(values.compactMap(\.self).max() ?? 0, 1e-9) }
    private var step: Double { Self.width / Double(max(values.count, 1)) }

    /// The stretches without a gap, each with the place of its first value.
    private var runs: [(start: Int, values: [Double])] {
        var runs: [(start: Int, values: [Double])] = []
        var isOpen = false
        for (index, value) in values.enumerated() {
            if let value {
                if isOpen {
                    runs[runs.count - 1].values.append(value)
                } else {
                    runs.append((index, [value]))
                }
            }
            isOpen = value != nil
        }
        return runs
    }

    private func area(_ run: (start: Int, values: [Double])) -> HTML {
        // In steps, each as wide as its bucket: a single bucket is seen as well.
        let points = run.values.enumerated().flatMap { offset, value in
            let x = Double(run.start + offset) * step
            return [point(x, y(value)), point(x + step, y(value))]
        }
        let left = Double(run.start) * step
        let right = Double(run.start + run.values.count) * step
        let floor = [point(right, Self.height - 1), point(left, Self.height - 1)]
        return .group([
            polygon(.class("fill"), Attribute("points", (points + floor).joined(separator: " "))),
            polyline(
                .class("stroke"), Attribute("points", points.joined(separator: " ")),
                Attribute("vector-effect", "non-scaling-stroke")),
        ])
    }

    private func bar(_ index: Int, _ value: Double) -> HTML? {
        guard value > 0 else { return nil }
        return rect(
            .class("bar"), Attribute("x", number(Double(index) * step + 0.2)),
            Attribute("y", number(y(value))), Attribute("width", number(max(step - 0.4, 0.4))),
            Attribute("height", number(Self.height - 1 - y(value))))
    }

    private func y(_ value: Double) -> Double {
        Self.height - 1 - value / top * (Self.height - 6)
    }

    private func point(_ x: Double, _ y: Double) -> String { "\(number(x)),\(number(y))" }
}

/// A coordinate with at most two digits after the point.
func number(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let whole = hundredths / 100
    let rest = abs(hundredths % 100)
    let sign = hundredths < 0 && whole == 0 ? "-" : ""
    return rest == 0
        ? "\(whole)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest % 10 == 0 ? rest / 10 : rest)"
}
