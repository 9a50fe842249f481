#if TANDEM_FAILPOINTS
/// A place before or after a durable step, at which a debug build can be made to die or stop.
///
/// Its name is `<step>.<moment>`, and `.<branch>` after it for the steps of one branch:
/// `decideCommit.after`, `commitPrepared.before.1`.
struct Failpoint: Hashable, CustomStringConvertible {
    let step: ProtocolStep
    let moment: StepMoment
    /// The branch's number; nil for the steps of the state database.
    var branch: Int?

    var description: String {
        let name = "\(step.rawValue).\(moment.rawValue)"
        return branch.map { "\(name).\($0)" } ?? name
    }
}
#endif
