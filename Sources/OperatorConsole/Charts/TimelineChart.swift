import TransactionEngine

/// Phases and moments on one axis of time, a row for each actor.
///
/// It is a table whose cells are drawn: each row has its name and, in words, what is drawn in it.
struct TimelineChart {
    /// A stretch of time in a row.
    struct Span {
        let name: String
        let tone: Tone
        let start: Timestamp
        /// Nil if it has not ended.
        let end: Timestamp?
    }

    /// A moment in a row.
    struct Mark {
        let name: String
        let tone: Tone
        let at: Timestamp
    }

    /// What happened to one actor.
    struct Row {
        let name: String
        var spans: [Span] = []
        var marks: [Mark] = []
        /// What is known of it without times.
        var note: String?
    }

    let rows: [Row]
    let moment: Moment

    private var start: Timestamp {
        let all = rows.flatMap { $0.spans.map(\.start) + $0.marks.map(\.at) }
        return all.min() ?? moment.now
    }

    private var end: Timestamp {
        let all = rows.flatMap { row in
            row.spans.map { $0.end ?? moment.now } + row.marks.map(\.at)
        }
        return max(all.max() ?? moment.now, start + 1_000)
    }

    var html: HTML {
        Parts.scrolling("Timeline") {
            table(.class("timeline")) {
                caption {
                    "From "
                    moment.full(start)
                    " on, over \(TimeText.span(microseconds: end - start)). Times after the first are "
                    "counted from it."
                }
                thead {
                    tr {
                        th(.columnHeader) { "Row" }
                        th(.columnHeader, .class("axis")) { axis }
                    }
                }
                tbody { for row in rows { html(row) } }
            }
        }
    }

    private var axis: HTML {
        svg(
            .class("axis"), Attribute("height", "18"), Attribute("width", "100%"), .role("img"),
            .labelled("Axis of time, from 0 to \(TimeText.span(microseconds: end - start))")
        ) {
            for tick in ticks {
                svgText(
                    Attribute("x", percent(start + tick)), Attribute("y", "13"),
                    Attribute("text-anchor", tick == 0 ? "start" : "middle")
                ) { tick == 0 ? "0" : TimeText.span(microseconds: tick) }
            }
        }
    }

    /// Four to nine round spans between the start and the end.
    private var ticks: [Int64] {
        let length = end - start
        let steps: [Int64] = [1, 2, 5].flatMap { digit in
            (2...6).map { power in digit * (0..<power).reduce(1) { value, _ in value * 10 } }
        }
        // Above ten seconds the round numbers are those of clocks.
        let clocks: [Int64] = [10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600]
        let days: [Int64] = [43_200, 86_400, 172_800, 604_800, 2_592_000]
        let all = steps.sorted() + (clocks + days).map { $0 * 1_000_000 }
        let step = all.first { length / $0 <= 6 } ?? length
        // No tick so near the end that its label would be cut off.
        return Array(stride(from: 0, through: length * 95 / 100, by: Int(max(step, 1))))
    }

    private func html(_ row: Row) -> HTML {
        tr {
            th(.rowHeader) { row.name }
            td {
                svg(
                    .class("lane"), Attribute("height", "30"), Attribute("width", "100%"),
                    .decorative
                ) {
                    for tick in ticks {
                        line(
                            .class("grid"), .x1(percent(start + tick)), .y1("0"),
                            .x2(percent(start + tick)), .y2("30"))
                    }
                    for span in row.spans { html(span) }
                    for mark in row.marks { html(mark) }
                }
                p(.class("lane-text")) { description(row) }
            }
        }
    }

    private func html(_ span: Span) -> HTML {
        let last = span.end ?? moment.now
        let share = Double(last - span.start) / Double(end - start) * 100
        let words = "\(span.name), \(TimeText.span(microseconds: last - span.start))"
        return .group([
            rect(
                .class("span \(span.tone.rawValue)\(span.end == nil ? " open" : "")"),
                Attribute("x", percent(span.start)), Attribute("y", "5"),
                Attribute("width", "\(number(max(share, 0.15)))%"), Attribute("height", "20"),
                Attribute("rx", "3")
            ) { svgTitle { words } },
            // A bar that is too short for its name has it in the text below alone.
            share > 18
                ? svgText(
                    .class("inside"), Attribute("x", percent(span.start)), Attribute("dx", "8"),
                    Attribute("y", "19")
                ) { share > 32 ? words : span.name } : .nothing,
        ])
    }

    private func html(_ mark: Mark) -> HTML {
        .group([
            line(
                .class("mark \(mark.tone.rawValue)"), .x1(percent(mark.at)), .y1("1"),
                .x2(percent(mark.at)), .y2("29"))
        ])
    }

    private func description(_ row: Row) -> String {
        let spans = row.spans.map { span in
            let from = "from \(offset(span.start))"
            guard let last = span.end else {
                return "\(span.name) \(from) until now, for "
                    + TimeText.span(microseconds: moment.now - span.start)
            }
            return "\(span.name) for \(TimeText.span(microseconds: last - span.start)) \(from)"
        }
        let marks = row.marks.map { "\($0.name) at \(offset($0.at))" }
        let all = spans + marks + (row.note.map { [$0] } ?? [])
        return all.isEmpty ? "nothing is recorded" : all.joined(separator: "; ")
    }

    private func offset(_ timestamp: Timestamp) -> String {
        timestamp == start ? "0" : "+" + TimeText.span(microseconds: timestamp - start)
    }

    private func percent(_ timestamp: Timestamp) -> String {
        let share = Double(timestamp - start) / Double(end - start) * 100
        return "\(number(min(max(share, 0), 100)))%"
    }
}
