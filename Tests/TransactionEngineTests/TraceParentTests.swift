import CommitProtocol
import Logging
import Testing

@testable import TransactionEngine

@Suite("Reading traceparent")
struct TraceParentTests {
    private static let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("reads the ids and whether the caller samples, and writes the same")
    func valid() throws {
        let parent = try #require(TraceParent(Self.text))
        #expect(parent.traceID == .init(high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736))
        #expect(parent.spanID == 0x00f0_67aa_0ba9_02b7)
        #expect(parent.isSampled)
        #expect(parent.text == Self.text)
        let other = try #require(
            TraceParent("00-00000000000000000000000000000001-0000000000000002-00"))
        #expect(!other.isSampled)
        #expect(other.text == "00-00000000000000000000000000000001-0000000000000002-00")
    }

    @Test(
        "of a later version reads the parts of the first",
        arguments: ["", "-what-comes-later"])
    func laterVersion(suffix: String) throws {
        let parent = try #require(
            TraceParent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03" + suffix))
        #expect(parent.isSampled)
    }

    @Test(
        "takes nothing that the standard does not allow",
        arguments: [
            "", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e47+6-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ])
    func invalid(text: String) {
        #expect(TraceParent(text) == nil)
    }

    @Test("names the trace in the log lines about a transaction")
    func logged() {
        var record = TransactionRecord(
            id: GlobalTransactionID(number: 1, salt: 1), principal: "p", idempotency: nil,
            isolation: .readCommitted, labels: [], owner: "a", epoch: 1, acceptedAt: 0,
            deadline: 1, state: .preparing, branches: [])
        #expect(record.logged() == ["transaction": "1-0000000000000001"])
        record.traceParent = TraceParent(Self.text)
        #expect(
            record.logged(with: ["branch": "0"]) == [
                "branch": "0", "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
                "transaction": "1-0000000000000001",
            ])
    }
}
