/// A document that names a test, as `Suite.test`, names one that is there.
enum NamedTests {
    static func faults(in pages: [SourceFile], tests: [SourceFile]) -> [String] {
        pages.flatMap { page in
            names(in: page.text).compactMap { suite, test in
                let isThere = tests.contains { file in
                    file.text.contains("struct \(suite) {")
                        && (file.text.contains("func \(test)(")
                            || file.text.contains("func `\(test)`("))
                }
                return isThere ? nil : "\(page.path): there is no test \(suite).\(test)"
            }
        }
    }

    /// What stands between backticks and looks like a test's name.
    private static func names(in text: String) -> [(suite: String, test: String)] {
        text.matches(of: /`(?<suite>[A-Z]\w+)\.(?<test>[a-z][\w ,']*)`/).map {
            (String($0.output.suite), String($0.output.test))
        }
    }
}
