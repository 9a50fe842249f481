import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Times, tables and texts on a terminal")
struct WrittenValues {
    @Test(
        "a duration is written in its two largest units",
        arguments: [
            (0, "0ms"), (850, "850ms"), (1000, "1s"), (59_999, "59s"), (60_000, "1m"),
            (192_000, "3m12s"), (3_600_000, "1h"), (7_500_000, "2h05m"), (86_400_000, "1d"),
            (349_200_000, "4d01h"),
        ])
    func durations(milliseconds: Int, text: String) {
        #expect(Duration.milliseconds(milliseconds).written == text)
    }

    @Test("a time argument has a unit or is seconds; zero and nonsense are refused")
    func durationArguments() {
        #expect(DurationArgument(argument: "90")?.duration == .seconds(90))
        #expect(DurationArgument(argument: "500ms")?.duration == .milliseconds(500))
        #expect(DurationArgument(argument: "2h")?.duration == .seconds(7200))
        for text in ["", "0", "0s", "-1s", "s", "5 s", "5y", "99999999999999999999s", "400d"] {
            #expect(DurationArgument(argument: text) == nil, "\(text)")
        }
    }

    @Test("an age counts from now; a time ahead, by another machine's clock, was just now")
    func ages() {
        let moment = Moment(microseconds: 1_772_366_400_000_000)
        #expect(moment.age(of: .string("2026-03-01T11:56:48.000000Z")) == .seconds(192))
        #expect(moment.age(of: .string("2026-03-01T12:00:09Z")) == .zero)
        #expect(moment.age(of: .null) == nil)
        #expect(moment.time(until: .string("2026-03-01T12:00:09Z")) == .seconds(9))
        #expect(moment.time(until: .string("2026-03-01T11:00:00Z")) == nil)
        #expect(moment.before(.seconds(60)) == "2026-03-01T11:59:00.000000Z")
    }

    private var table: TextTable {
        var table = TextTable([
            .init("ID"), .init("N", isNumber: true), .init("NOTE", narrowest: 5),
        ])
        table.add([.init("a-long-id"), .init("7"), .init("connection refused")])
        table.add([.init("b"), .init("12"), nil])
        return table
    }

    @Test("columns are as wide as what is in them, numbers are to the right")
    func wide() {
        #expect(
            table.lines(width: nil) == [
                "ID          N  NOTE", "a-long-id   7  connection refused", "b          12  -",
            ])
    }

    @Test("a column that may be cut gives way to the terminal's width, and no further than it may")
    func narrow() {
        #expect(table.lines(width: 24)[1] == "a-long-id   7  connecti…")
        #expect(table.lines(width: 10)[1] == "a-long-id   7  conn…")
    }

    @Test("wide characters count twice, and control characters are shown and not obeyed")
    func characters() {
        #expect("漢字".columnCount == 4)
        #expect("漢字漢字".cut(to: 6) == "漢字…")
        var table = TextTable([.init("NOTE")])
        table.add([.init("a\u{1B}[2Jb\nc\u{202E}d")])
        #expect(table.lines(width: nil)[1] == "a\\u{1b}[2Jb c\\u{202e}d")
    }

    @Test("colours are escapes around the text, and not part of its width")
    func colors() {
        var table = TextTable([.init("STATE"), .init("X")])
        table.add([.init("bad", .bad), "y"])
        #expect(
            table.lines(width: nil, hasColors: true)[1] == "\u{1B}[31mbad\u{1B}[0m    y")
        #expect(table.lines(width: nil)[1] == "bad    y")
    }
}
