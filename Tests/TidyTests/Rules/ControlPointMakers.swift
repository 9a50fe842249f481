/// Control points are for rehearsals, so only these make any: nothing that `tandem serve` runs, and
/// nothing in the library.
enum ControlPointMakers {
    private static let makers: Set = ["Sources/tandem/Demo/DevReplica.swift"]
    private static let targets: Set = ["TwoPhaseCommitTesting"]

    static func faults(in files: [SourceFile]) -> [String] {
        files.filter {
            $0.text.contains("ControlPointGate(") && !makers.contains($0.path)
                && !targets.contains($0.target)
        }.map { "\($0.path): only a rehearsal makes control points" }
    }
}
