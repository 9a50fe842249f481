/// Links between the documents lead somewhere.
enum Links {
    /// `exists` says whether a path of the repository does.
    static func faults(in pages: [SourceFile], exists: (String) -> Bool) -> [String] {
        let anchors = Dictionary(uniqueKeysWithValues: pages.map { ($0.path, headings($0.text)) })
        return pages.flatMap { page in
            page.text.matches(of: /\]\((?<target>[^()\s]+)\)/).compactMap { match -> String? in
                let target = String(match.output.target)
                if target.contains("://") { return nil }
                let parts = target.split(separator: "#", omittingEmptySubsequences: false)
                let path = parts[0].isEmpty ? page.path : resolve(String(parts[0]), from: page.path)
                guard exists(path) else { return "\(page.path): \(target) leads nowhere" }
                guard parts.count > 1, let known = anchors[path] else { return nil }
                return known.contains(String(parts[1]))
                    ? nil : "\(page.path): \(target) leads to no heading"
            }
        }
    }

    private static func resolve(_ target: String, from page: String) -> String {
        var folders = page.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") {
            switch part {
            case ".": continue
            case "..": _ = folders.popLast()
            default: folders.append(String(part))
            }
        }
        return folders.joined(separator: "/")
    }

    /// The anchors of a page, as GitHub makes them.
    private static func headings(_ text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
                let title = line.drop { $0 == "#" || $0 == " " }.lowercased()
                return String(
                    title.replacing(" ", with: "-").filter {
                        $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_"
                    })
            })
    }
}
