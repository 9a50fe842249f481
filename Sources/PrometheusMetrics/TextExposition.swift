/// Writes metrics in Prometheus' text format, version 0.0.4.
struct TextExposition {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(65_536) }

    mutating func append(_ family: Family) {
        guard !family.children.isEmpty else { return }
        if !family.help.isEmpty {
            write("# HELP \(family.name) \(Self.escaped(family.help, quotes: false))\n")
        }
        write("# TYPE \(family.name) \(family.kind.rawValue)\n")
        for (labels, instrument) in family.children {
            switch instrument {
            case let counter as CounterInstrument:
                sample(family.name, labels, "\(counter.value)")
            case let sum as SumInstrument: sample(family.name, labels, Self.text(sum.value))
            case let gauge as GaugeInstrument: sample(family.name, labels, Self.text(gauge.value))
            case let histogram as HistogramInstrument:
                append(histogram, of: family.name, labels)
            default: break
            }
        }
    }

    private mutating func append(
        _ histogram: HistogramInstrument, of name: String, _ labels: Labels
    ) {
        let (counts, sum) = histogram.read()
        for (bound, count) in zip(histogram.bounds + [.infinity], counts) {
            sample(name + "_bucket", labels, "\(count)", below: Self.text(bound))
        }
        sample(name + "_sum", labels, Self.text(sum))
        sample(name + "_count", labels, "\(counts.last ?? 0)")
    }

    private mutating func sample(
        _ name: String, _ labels: Labels, _ value: String, below bound: String? = nil
    ) {
        write(name)
        if !labels.text.isEmpty || bound != nil {
            write("{")
            write(labels.text)
            if let bound {
                write(labels.text.isEmpty ? "le=\"" : ",le=\"")
                write(bound)
                write("\"")
            }
            write("}")
        }
        write(" ")
        write(value)
        write("\n")
    }

    private mutating func write(_ text: String) { bytes += text.utf8 }

    /// A number as Prometheus reads it; whole numbers without a fraction.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = "\(value)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// A text without line feeds and, in a label's value, without bare quotation marks.
    static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 10 || $0 == 34 || $0 == 92 }) else { return text }
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
