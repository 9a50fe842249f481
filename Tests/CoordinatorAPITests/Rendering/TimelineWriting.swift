import CommitProtocol
import Testing

@testable import CoordinatorAPI
@testable import TransactionEngine

@Suite("What is shown of the course of a transaction")
struct TimelineWriting {
    private static let events = [
        TimelineEvent(at: 1_000_000, .accepted, source: .stateDatabase),
        TimelineEvent(at: 1_000_250, .workBegan, branch: 1, source: .replica),
    ]

    @Test("as JSON")
    func json() {
        let id = GlobalTransactionID(number: 7, salt: 1)
        #expect(
            String(decoding: TimelineRendering.json(Self.events, of: id), as: UTF8.self)
                == #"{"transaction":"7-0000000000000001","events":["#
                + #"{"at":"1970-01-01T00:00:01.000000Z","event":"accepted","branch":null,"#
                + #""source":"stateDatabase"},"#
                + #"{"at":"1970-01-01T00:00:01.000250Z","event":"workBegan","branch":1,"#
                + #""source":"replica"}]}"#)
    }

    @Test("as lines")
    func lines() {
        #expect(
            String(decoding: TimelineRendering.lines(Self.events), as: UTF8.self)
                == "1970-01-01T00:00:01.000000Z\taccepted\t-\tstateDatabase\n"
                + "1970-01-01T00:00:01.000250Z\tworkBegan\t1\treplica\n")
    }
}
