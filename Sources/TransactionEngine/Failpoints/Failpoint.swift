#if TANDEM_FAILPOINTS
/// A place before or after a durable step, at which a debug build can be made to die or stop.
///
/// Its name is `<step>.<moment>`, and `.<branch>` behind it for the steps of one branch:
/// `decideCommit.after`, `commitPrepared.before.1`.
struct Failpoint: Hashable, CustomStringConvertible {
    let step: Step
    let moment: Moment
    /// The branch's number; nil for the steps of the state database.
    var branch: Int?

    /// The durable steps.
    ///
    /// Whoever adds a case adds crash cases for it in `Reliability/crash/points.py`; a tidy test
    /// compares the two.
    enum Step: String, CaseIterable {
        /// The row of an acceptance.
        case accept
        /// The decision commit.
        case decideCommit
        /// The decision abort.
        case decideAbort
        /// The decision abort in the place of a row that may not exist.
        case tombstone
        /// The claim of rows that no living replica drives.
        case claim
        /// The record that the one-phase branch decides.
        case delegate
        /// The register's own COMMIT, which is the decision.
        case commitLocally
        /// The question what a register holds.
        case queryCommitPoint
        /// The copy of a register's decision.
        case copy
        /// The end of what a branch that is not prepared holds open.
        case release
        /// The record of the end.
        case finish
        /// A branch's SQL and its PREPARE.
        case work
        /// A branch's COMMIT PREPARED.
        case commitPrepared
        /// A branch's ROLLBACK PREPARED, where the branch is known to be prepared.
        case rollbackPrepared
        /// The end of sessions that might still prepare a branch, and its roll-back.
        case fence
    }

    enum Moment: String {
        case before
        case after
    }

    var description: String {
        let name = "\(step.rawValue).\(moment.rawValue)"
        return branch.map { "\(name).\($0)" } ?? name
    }
}
#endif
