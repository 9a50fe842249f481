import AccessControl
import EventLoop
import Testing

@Suite struct GateTests {
    private static let checkout = Principal(
        name: "checkout", scopes: Scopes([.run]), participants: .only(["users"]))

    private static func table(_ tokens: [String: Int64]) -> AccessTable {
        AccessTable(
            tokens.map { .init(TokenDigest(of: $0.key), of: checkout, expiresAt: $0.value) })
    }

    @LoopActor
    private static func ask(
        _ gate: AccessGate, _ credentials: Credentials
    ) -> Result<Principal, AccessDenial> {
        do throws(AccessDenial) {
            return .success(try gate.principal { credentials })
        } catch {
            return .failure(error)
        }
    }

    @Test @LoopActor func asksNobodyWithoutTable() throws {
        let gate = AccessGate(table: nil, wallTime: { 0 })
        let principal = try gate.principal {
            Issue.record("no field is read")
            return .malformed
        }
        #expect(principal == .anonymous)
        #expect(principal.seenOwner == nil)
        #expect(Scope.allCases.allSatisfy(principal.may))
        #expect(!gate.isClosed)
    }

    @Test @LoopActor func knowsTokensUntilTheyExpire() {
        let now = Lock<Int64>(0)
        let gate = AccessGate(
            table: Self.table(["old": 10, "new": 20]), wallTime: { now.withLock { $0 } })
        let known = Result<Principal, AccessDenial>.success(Self.checkout)
        // Both are good at once, so that a token can be replaced without a gap.
        #expect(Self.ask(gate, .token("old")) == known)
        #expect(Self.ask(gate, .token("new")) == known)
        #expect(Self.ask(gate, .none) == .failure(.tokenMissing))
        #expect(Self.ask(gate, .malformed) == .failure(.tokenMalformed))
        #expect(Self.ask(gate, .token("other")) == .failure(.tokenUnknown))
        #expect(Self.ask(gate, .token("old ")) == .failure(.tokenUnknown))
        now.withLock { $0 = 10 }
        #expect(Self.ask(gate, .token("old")) == .failure(.tokenExpired(principal: "checkout")))
        #expect(Self.ask(gate, .token("new")) == known)
    }

    @Test @LoopActor func forgetsTokensOfTheFormerTable() {
        let gate = AccessGate(table: Self.table(["old": 10]), wallTime: { 0 })
        gate.replace(with: Self.table(["new": 10]))
        #expect(Self.ask(gate, .token("old")) == .failure(.tokenUnknown))
        #expect(Self.ask(gate, .token("new")) == .success(Self.checkout))
    }

    @Test(arguments: [
        ([Scope.run], [Scope.run, .read]), ([.read], [.read]), ([.operate], [.read, .operate]),
        ([.admin], [.read, .operate, .admin]), ([], []),
        ([.run, .operate], [.run, .read, .operate]),
    ])
    func scopesIncludeOthers(_ given: [Scope], _ all: [Scope]) {
        #expect(Scopes(given).elements == all)
    }

    @Test func limitsPrincipals() {
        let reader = Self.checkout.limited(to: Scopes([.read]))
        #expect(reader.may(.read))
        #expect(!reader.may(.run))
        #expect(reader.seenOwner == "checkout")
        // A token never has more than its principal.
        #expect(!Self.checkout.limited(to: Scopes([.admin])).may(.operate))
        #expect(Self.checkout.mayUse("users"))
        #expect(!Self.checkout.mayUse("orders"))
        let operators = Principal(name: "ops", scopes: Scopes([.operate]), participants: .only([]))
        #expect(operators.seenOwner == nil)
        #expect(!operators.may(.run))
    }

    @Test func requiresOneOfTheScopes() {
        #expect(throws: Never.self) { try Self.checkout.require([.operate, .run]) }
        #expect(throws: AccessDenial.scopeMissing([.operate], principal: "checkout")) {
            try Self.checkout.require([.operate])
        }
    }
}
