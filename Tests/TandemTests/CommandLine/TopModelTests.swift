import CoordinatorAPI
import Testing

@testable import tandem

@Suite("What tandem top shows, and how it takes keys")
struct TopModelTests {
    private func reading(_ ids: [String], queue: String = "running") throws -> TopModel.Reading {
        let overview =
            #"{"replica":"replica-1","observedAt":"2026-03-01T12:00:00.000000Z","queues":[{"queue":"#
            + #""\#(queue)","count":3,"countIsExact":true,"oldest":{"id":"7-a","acceptedAt":"#
            + #""2026-03-01T11:59:30.000000Z"}}],"replicas":[{"name":"replica-1","state":"live","#
            + #""participants":[]}],"participants":[{"name":"users","state":"available"}]}"#
        return TopModel.Reading(
            overview: try JSONReader.read(Array(overview.utf8)),
            transactions: try ids.map {
                try JSONReader.read(Array(#"{"id":"\#($0)","state":"committing"}"#.utf8))
            })
    }

    private func model(_ ids: [String]) throws -> TopModel {
        TopModel(address: "http://h:1", try reading(ids))
    }

    private static let screen = Screen(
        width: 100, moment: Moment(microseconds: 1_772_366_405_000_000))

    @Test("the picture says of whom it is and how old, and has queues, replicas and participants")
    func picture() throws {
        let lines = try model(["7-a"]).lines(on: Self.screen)
        #expect(lines[0] == "tandem at http://h:1, replica-1, 5s old")
        #expect(lines[3] == "running      3     35s  7-a")
        #expect(lines.contains { $0.hasPrefix("replica-1  live") })
        #expect(lines.contains { $0.hasPrefix("users  available") })
        #expect(lines.last?.hasPrefix("7-a  committing") == true)
        #expect(try model([]).lines(on: Self.screen).last == "No transaction is unfinished.")
    }

    @Test("it fills the screen exactly, and the selected transaction is always on it")
    func window() throws {
        let ids = (1...50).map { "\($0)-x" }
        var model = try model(ids)
        for _ in 0..<60 { _ = model.press(.down) }
        #expect(model.selected == "50-x")
        for rows in 1...60 {
            #expect(model.lines(on: Self.screen, rows: rows).count == rows)
        }
        let lines = model.lines(on: Self.screen, rows: 24)
        #expect(lines.contains { $0.hasPrefix("\u{1B}[7m50-x") })
        #expect(!lines.contains { $0.hasPrefix("1-x") })
        #expect(lines.last?.contains("q quit") == true)
    }

    @Test("a selection stays with its transaction, and moves to a neighbour when that is gone")
    func selection() throws {
        var model = try model(["1-x", "2-x", "3-x"])
        _ = model.press(.down)
        model.take(try reading(["0-x", "1-x", "2-x"]))
        #expect(model.selected == "2-x")
        model.take(try reading(["0-x", "1-x"]))
        #expect(model.selected == "1-x")
        model.take(try reading([]))
        #expect(model.selected == nil)
        #expect(model.press(.up) == nil)
        #expect(model.press(.retry) == nil)
        model.take(try reading(["9-x"]))
        #expect(model.selected == "9-x")
        #expect(model.press(.retry) == .retry("9-x"))
        #expect(model.press(.quit) == .quit)
    }

    @Test("a pause keeps the picture; a failure keeps it too, and says why it grows old")
    func pauseAndFailure() throws {
        var model = try model(["1-x"])
        _ = model.press(.pause)
        model.take(try reading(["2-x"]))
        #expect(model.selected == "1-x")
        #expect(model.lines(on: Self.screen)[0].hasSuffix("PAUSED"))
        _ = model.press(.pause)
        model.fail("Cannot reach it.")
        #expect(model.lines(on: Self.screen)[0].hasSuffix("5s old: Cannot reach it."))
        model.take(try reading(["2-x"]))
        #expect(model.selected == "2-x")
        #expect(!model.lines(on: Self.screen)[0].contains("Cannot"))
    }

    @Test("bytes of a terminal are keys; sequences that mean nothing are one unknown key")
    func keys() {
        #expect(TopModel.Key.read("qpr jk".utf8) == [.quit, .pause, .retry, .pause, .down, .up])
        #expect(TopModel.Key.read("\u{1B}[A\u{1B}OB\u{1B}[1;5A".utf8) == [.up, .down, .up])
        #expect(TopModel.Key.read("\u{1B}[15~q".utf8) == [.other, .quit])
        #expect(TopModel.Key.read([3]) == [.quit])
        #expect(TopModel.Key.read("\u{1B}".utf8) == [.other])
    }
}
