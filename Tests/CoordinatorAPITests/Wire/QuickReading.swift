import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("The quick reading of a body")
struct QuickReading {
    /// All that a request says, as bytes: Swift calls texts equal that have different ones.
    private func meaning(_ body: TransactionBody) -> [[UInt8]] {
        let labels = body.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        var parts = [
            "\(String(describing: body.timeoutMilliseconds))",
            "\(String(describing: body.isolation))",
            "\(body.isOnePhase)", "\(body.execution)", "\(String(describing: body.retries))",
            "\(labels)", "\(String(describing: body.lockTimeoutMilliseconds))",
        ]
        for branch in body.branches {
            parts.append(
                "\(branch.participant) \(branch.isReadOnly) \(String(describing: branch.isolation)) "
                    + "\(String(describing: branch.lockTimeout))")
            for statement in branch.work.statements {
                parts += [
                    statement.sql, "\(String(describing: statement.expectedRows))",
                    "\(statement.parameters)",
                ]
                for (number, list) in statement.lists.sorted(by: { $0.key < $1.key }) {
                    let texts = [23, 114].map { list.text(as: ArrayElements(typeOID: $0)) }
                    parts.append("\(number) \(texts)")
                }
            }
        }
        return parts.map { Array($0.utf8) }
    }

    private func explained(_ bytes: [UInt8]) -> TransactionBody? {
        try? TransactionBody.explain(bytes, limits: BodySource.limits)
    }

    @Test("Bodies without a fault are read at once, and as the explainer reads them")
    func right() throws {
        var source = BodySource(seed: 0x7A4D_0101, hasFaults: false)
        for _ in 0..<500 {
            let bytes = source.body()
            let text = String(decoding: bytes, as: UTF8.self)
            let quick = try #require(
                TransactionBodyReader.read(bytes, limits: BodySource.limits), "\(text)")
            let slow = try #require(explained(bytes), "\(text)")
            #expect(meaning(quick) == meaning(slow), "\(text)")
        }
    }

    @Test("Of bodies with faults none is accepted that the explainer refuses or reads otherwise")
    func wrong() {
        var source = BodySource(seed: 0x7A4D_0102, hasFaults: true)
        var accepted = 0
        var refused = 0
        for _ in 0..<3000 {
            let bytes = source.body()
            let slow = explained(bytes)
            if slow == nil { refused += 1 }
            guard let quick = TransactionBodyReader.read(bytes, limits: BodySource.limits) else {
                continue
            }
            accepted += 1
            #expect(
                slow.map(meaning) == meaning(quick), "\(String(decoding: bytes, as: UTF8.self))")
        }
        // There were enough of both kinds to show something.
        #expect(accepted > 500)
        #expect(refused > 500)
    }

    @Test("What has more bytes than characters are allowed is left to the explainer")
    func counted() throws {
        let limits = BodySource.limits
        let sql = String(repeating: "é", count: limits.sqlCharactersMax)
        let body = Array(
            #"{"branches":[{"participant":"a","statements":[{"sql":"\#(sql)"}]}]}"#.utf8)
        #expect(TransactionBodyReader.read(body, limits: limits) == nil)
        #expect(try TransactionBody.decode(body, limits: limits).branches.count == 1)
    }
}
