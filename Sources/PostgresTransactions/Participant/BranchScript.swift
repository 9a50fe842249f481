import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// What is sent for a list of SQL texts, from BEGIN to the vote, and where the replies to it are.
///
/// It is the same for every branch with these texts, so it is worked out once and kept. A `WorkPlan` adds
/// the caller's values and the branch's name.
final class BranchScript: Sendable {
    let commitMode: CommitMode
    /// The commands; those that hold a branch's own values or name are only places for them.
    let commands: [Command]
    let returnsRows: Bool
    /// The caller's commands: the limits are for their rows, not for the proof.
    let limited: Range<Int>
    let proofIndex: Int
    /// The index of the last reply: PREPARE's, if the branch is prepared.
    let lastIndex: Int
    /// How many replies come before the first command's: BEGIN's, if it was sent earlier.
    let offset: Int
    private let texts: [InspectedText]
    private let isolation: Isolation
    /// The index of the command that writes the branch's witness, if one does.
    private let witnessIndex: Int?

    /// Everything from BEGIN to the vote around statements that are known beforehand.
    init(
        _ statements: [InspectedStatement], _ isolation: Isolation, _ commitMode: CommitMode,
        hasWitness: Bool
    ) {
        self.commitMode = commitMode
        self.isolation = isolation
        texts = statements.map(\.text)
        returnsRows = statements.contains(where: \.returnsRows)
        limited = 1..<(1 + statements.count)
        offset = 0
        proofIndex = limited.upperBound + WorkPlan.proofOffset(commitMode)
        witnessIndex = hasWitness && commitMode == .twoPhase ? proofIndex + 1 : nil
        commands =
            [WorkPlan.begin(isolation, commitMode)]
            + statements.map { Command($0.text.sql) }
            + WorkPlan.closing(commitMode, hasWitness: hasWitness)
        lastIndex = commands.count - 1
    }

    /// What follows the caller's own code; BEGIN is a part of it if the code ran no statement.
    init(
        closing commitMode: CommitMode, _ isolation: Isolation, hasBegun: Bool, hasWitness: Bool
    ) {
        self.commitMode = commitMode
        self.isolation = isolation
        texts = []
        returnsRows = false
        limited = 0..<0
        // The caller puts BEGIN's earlier reply first, so the replies are the same either way.
        offset = hasBegun ? 1 : 0
        proofIndex = 1 + WorkPlan.proofOffset(commitMode)
        witnessIndex = hasWitness && commitMode == .twoPhase ? proofIndex + 1 : nil
        let closing = WorkPlan.closing(commitMode, hasWitness: hasWitness)
        lastIndex = closing.count
        commands = hasBegun ? closing : [WorkPlan.begin(isolation, commitMode)] + closing
    }

    /// The commands of a branch.
    func commands(_ statements: [InspectedStatement], gid: String) -> [Command] {
        var commands = commands
        for (index, statement) in statements.enumerated()
        where !statement.statement.parameters.isEmpty {
            commands[limited.lowerBound + index].parameters = statement.statement.parameters
        }
        guard commitMode == .twoPhase else { return commands }
        if let witnessIndex { commands[witnessIndex - offset].parameters = [gid] }
        commands[lastIndex - offset] = WorkPlan.prepare(gid)
        return commands
    }

    /// Whether it is the script of these statements.
    fileprivate func isFor(
        _ statements: [InspectedStatement], _ isolation: Isolation, _ commitMode: CommitMode
    ) -> Bool {
        self.isolation == isolation && self.commitMode == commitMode
            && texts.count == statements.count
            && zip(texts, statements).allSatisfy { $0 === $1.text }
    }
}

/// The scripts of one participant.
@LoopActor
final class BranchScripts {
    private static let countMax = 256
    /// A script is kept if it has no more statements: together they are to take a few megabytes at most.
    private static let statementsMax = 16
    private let hasWitness: Bool
    /// By a hash of what they are for.
    ///
    /// They keep the texts, so that no other text can take the identity of one.
    private var scripts: [Int: BranchScript] = [:]

    init(hasWitness: Bool) { self.hasWitness = hasWitness }

    func script(
        of statements: [InspectedStatement], _ isolation: Isolation, _ commitMode: CommitMode
    ) -> BranchScript {
        var hasher = Hasher()
        hasher.combine(isolation)
        hasher.combine(commitMode)
        for statement in statements { hasher.combine(ObjectIdentifier(statement.text)) }
        let key = hasher.finalize()
        if let known = scripts[key], known.isFor(statements, isolation, commitMode) {
            return known
        }
        let new = BranchScript(statements, isolation, commitMode, hasWitness: hasWitness)
        if statements.count <= Self.statementsMax, statements.allSatisfy(\.text.isKept) {
            if scripts.count >= Self.countMax { scripts.removeAll(keepingCapacity: true) }
            scripts[key] = new
        }
        return new
    }
}
