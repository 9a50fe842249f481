import CommitProtocol
import Testing

/// Plans from the lists P, A, T and Q of a pass.
@Suite struct RecoveryPlanTests {
    static func name(_ number: Int64, branch: Int = 0, installation: String = "I") -> String {
        PreparedTransactionName(
            installation: installation, transaction: id(number), branch: branch
        ).description
    }

    static func id(_ number: Int64) -> GlobalTransactionID {
        GlobalTransactionID(number: number, salt: 5)
    }

    /// Plans with a grace of 60 seconds and a low-water mark of 10; Q is P unless given.
    func plan(
        _ prepared: [String], age: Double = 100, active: Set<Int64> = [],
        row: RecoveryPlan.Row = .missing, again: [String]? = nil
    ) -> [RecoveryPlan.Action] {
        RecoveryPlan.actions(
            prepared: prepared.map { .init(name: $0, ageSeconds: age) },
            active: { active.contains($0.number) }, rows: { _ in row },
            preparedAgain: (again ?? prepared).map { .init(name: $0, ageSeconds: age) },
            installation: "I", graceSeconds: 60, lowWaterMark: 10)
    }

    @Test func tombstonesGidWithoutRow() {
        let name = Self.name(20, branch: 2)
        #expect(plan([name]) == [.tombstone(Self.id(20), branch: 2, name: name)])
    }

    @Test func ignoresGidMissingFromSecondList() {
        #expect(plan([Self.name(20)], again: []).isEmpty)
    }

    @Test func leavesNewGidForNextPass() {
        #expect(plan([], again: [Self.name(20)]).isEmpty)
    }

    @Test(arguments: [RecoveryPlan.Row.missing, .adoptable, .finished(.abort), .owned])
    func ignoresActiveTransaction(_ row: RecoveryPlan.Row) {
        #expect(plan([Self.name(20)], active: [20], row: row).isEmpty)
    }

    @Test func comparesGidsNotTransactionsInSecondList() {
        #expect(plan([Self.name(20)], again: [Self.name(20, branch: 1)]).isEmpty)
    }

    @Test func ignoresOwnedRow() {
        #expect(plan([Self.name(20)], row: .owned).isEmpty)
    }

    @Test func adoptsRowOnce() {
        let names = [Self.name(20), Self.name(21), Self.name(20, branch: 1)]
        #expect(plan(names, row: .adoptable) == [.adopt(Self.id(20)), .adopt(Self.id(21))])
    }

    @Test(arguments: [Decision.commit, .abort])
    func endsReappearedGidByItsRow(_ decision: Decision) {
        let name = Self.name(20, branch: 1)
        #expect(
            plan([name], age: 0, row: .finished(decision))
                == [.finish(Self.id(20), branch: 1, name: name, decision)])
    }

    @Test(arguments: [
        name(20, installation: "J"), "tandem:I:20-5:0", "tandem:I:20-0000000000000005:00", "app-7",
    ])
    func ignoresForeignGid(_ name: String) {
        for row: RecoveryPlan.Row in [.missing, .adoptable, .finished(.abort), .owned] {
            #expect(plan([name], row: row).isEmpty)
        }
    }

    @Test func ignoresYoungGidWithoutRow() {
        #expect(plan([Self.name(20)], age: 59.9).isEmpty)
        #expect(plan([Self.name(20)], age: 60).count == 1)
    }

    @Test(arguments: [0.0, 100])
    func reportsGidBelowLowWaterMark(_ age: Double) {
        #expect(plan([Self.name(9)], age: age) == [.report(name: Self.name(9))])
        #expect(plan([Self.name(10)]).count == 1)
        #expect(plan([Self.name(9)], row: .finished(.abort)) != [.report(name: Self.name(9))])
    }
}
