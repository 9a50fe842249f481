/// Scripts and documents name only files that exist, so that a moved file is missed here and not when
/// the script runs.
enum NamedPaths {
    /// `exists` says whether a path of the repository does.
    static func faults(in files: [SourceFile], exists: (String) -> Bool) -> [String] {
        let pattern =
            /(?:^|[\s"'(`\/])(?<path>(?:Sources|Tests|Fuzz|Benchmarks|Reliability|scripts|docs|monitoring|deploy)\/[\w\/.+\-]+\.(?:swift|sh|py|md|json|yaml|patch|sql))/
            .anchorsMatchLineEndings()
        return files.flatMap { file in
            file.text.matches(of: pattern).compactMap { match -> String? in
                let path = String(match.output.path)
                return path.contains("NNNN") || exists(path)
                    ? nil : "\(file.path): there is no \(path)"
            }
        }
    }
}
