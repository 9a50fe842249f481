import CommitSimulator
import Glibc

/// `simulate SEEDS`, `simulate seed SEED`, `simulate exhaust [FAULTS]`, `simulate mutants [SEEDS]`;
/// of transactions that contend for rows: `simulate locks SEEDS`, `simulate lock-seed SEED`,
/// `simulate policies`.
let arguments = CommandLine.arguments.dropFirst()

func replay(_ seed: UInt64) -> Bool {
    let run = Seeds.transcript(seed)
    for line in run.lines { print(line) }
    print(run.violation.map { "violation: \($0)" } ?? "no rule is broken")
    return run.violation == nil
}

func run(_ count: UInt64) -> Bool {
    if let failure = Seeds.firstFailure(in: 0..<count) {
        print("seed \(failure.seed): \(failure)")
        return false
    }
    for named in namedSeeds {
        if let failure = Seeds.firstFailure(in: named.seed..<named.seed + 1) {
            print("\(named.name), seed \(failure.seed): \(failure)")
            return false
        }
    }
    print("\(count) histories and \(namedSeeds.count) named ones: no rule is broken")
    return true
}

/// Histories of transactions that contend for rows, under both policies.
func runLocks(_ count: UInt64) -> Bool {
    for policy in [LockPolicy.graph, .woundWait(grace: 20_000)] {
        if let failure = LockSeeds.firstFailure(in: 0..<count, policy: policy) {
            print("\(policy), seed \(failure.seed): \(failure.violation)")
            return false
        }
    }
    print("\(count) histories of transactions that contend, under 2 policies: no rule is broken")
    return true
}

func replayLocks(_ seed: UInt64) -> Bool {
    let run = LockSeeds.transcript(seed)
    for line in run.lines { print(line) }
    print(run.violation.map { "violation: \($0)" } ?? "no rule is broken")
    return run.violation == nil
}

/// Prints what each way to end deadlocks comes to under each load, as a table for a decision record.
func comparePolicies() -> Bool {
    for load in LockLoad.all {
        print("\n### \(load.name)\n")
        print(
            "| policy | commits/s | victims per commit | wrong victims | failed | p99 | longest wait |"
        )
        print("|---|---|---|---|---|---|---|")
        for choice in LockChoice.all {
            guard let outcome = try? load.run(choice, seconds: 10, seed: 1) else { return false }
            let cells = [
                choice.name, rounded(outcome.commitsPerSecond, to: 1),
                rounded(outcome.victimsPerCommit, to: 1_000), "\(outcome.wrongVictimCount)",
                "\(outcome.failureCount)", rounded(Double(outcome.p99) / 1_000, to: 1) + " ms",
                rounded(Double(outcome.longestWait) / 1_000, to: 1) + " ms",
            ]
            print("| " + cells.joined(separator: " | ") + " |")
            fflush(nil)
        }
    }
    return true
}

func rounded(_ number: Double, to parts: Double) -> String {
    let rounded = (number * parts).rounded() / parts
    return parts == 1 ? "\(Int(rounded))" : "\(rounded)"
}

/// Prints a table of the planted mistakes; some history must notice each.
func listMutants(among seeds: UInt64) -> Bool {
    var areAllNoticed = true
    for mutant in Mutant.all {
        let failure = mutant.firstFailure(among: seeds)
        areAllNoticed = areAllNoticed && failure != nil
        let name = mutant.name.padding(to: 30)
        let seed = failure.map { "seed \($0.seed)".padding(to: 12) } ?? "unnoticed   "
        print(mutant.kind.padding(to: 6), name, seed, failure?.violation.description ?? "")
    }
    return areAllNoticed
}

extension String {
    func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}

/// Searches every mixture of commit modes, with work before and after acceptance.
func exhaust(faults: Int) -> Bool {
    let mixtures = [
        ["twoPhase"], ["twoPhase", "twoPhase"], ["twoPhase", "twoPhase", "twoPhase"],
        ["twoPhase", "readOnly"], ["twoPhase", "twoPhase", "readOnly"], ["readOnly", "readOnly"],
        ["onePhase"], ["onePhase", "readOnly"], ["journal"], ["journal", "twoPhase"],
        ["journal", "twoPhase", "twoPhase"], ["journal", "twoPhase", "readOnly"],
    ]
    var succeeded = true
    for commitModes in mixtures {
        for overlapping in [false, true] {
            let result = Exhaustion.search(
                commitModes: commitModes, overlapping: overlapping, faults: faults)
            let name = commitModes.joined(separator: " ") + (overlapping ? ", overlapping" : "")
            let verdict = result.violation.map { "\($0)" } ?? "no rule is broken"
            print(name.padding(to: 42), "\(result.states) states".padding(to: 16), verdict)
            for move in result.trail { print("    \(move)") }
            succeeded = succeeded && result.violation == nil
        }
    }
    return succeeded
}

let succeeded =
    switch (arguments.first, arguments.dropFirst().first.flatMap { UInt64($0) }) {
    case ("seed", let seed?): replay(seed)
    case ("exhaust", let faults): exhaust(faults: Int(faults ?? 2))
    case ("locks", let seeds?): runLocks(seeds)
    case ("lock-seed", let seed?): replayLocks(seed)
    case ("policies", _): comparePolicies()
    case ("mutants", let seeds): listMutants(among: seeds ?? 20_000)
    case (let count?, nil): UInt64(count).map(run) ?? false
    default: false
    }
exit(succeeded ? 0 : 1)
