/// Words that the project used before it took the field's (docs/decisions/0009-vocabulary.md) do not
/// come back.
enum RetiredWords {
    /// Where a word is refused.
    enum Place: CaseIterable {
        /// Names in Swift, and names with underscores in SQL.
        case identifiers
        /// Comments and strings of Swift.
        case comments
        /// The documents.
        case pages
        /// `openapi.yaml`.
        case contract
        /// The harness, the models and the planted bugs.
        case proof
    }

    struct Word {
        /// Its forms, in lower case.
        let forms: [String]
        /// What to write.
        let instead: String
        let places: Set<Place>
        /// Phrases in which it means something else.
        let sound: [String]

        init(
            _ forms: String..., instead: String, in places: Set<Place> = Set(Place.allCases),
            except sound: [String] = []
        ) {
            self.forms = forms
            self.instead = instead
            self.places = places
            self.sound = sound
        }
    }

    /// The table.
    ///
    /// A word is refused everywhere unless its row names places.
    static let words = [
        Word(
            "register", "registers", instead: "commit point",
            in: [.identifiers, .comments, .pages, .contract],
            except: ["processor registers", "registers its", "register with"]),
        Word(
            "life", "lives", instead: "incarnation",
            in: [.identifiers, .comments, .pages, .contract],
            except: ["data lives", "owner lives", "picture of a transaction's life"]),
        Word("drive", "drives", "driving", instead: "active transaction, coordinating replica"),
        Word("driven", instead: "active"),
        Word("ending", "endings", instead: "commit mode, or finish"),
        Word("sight", instead: "reading, status"),
        Word(
            "told", "teller", instead: "reported, answered",
            in: [.identifiers, .comments, .pages, .contract]),
        Word("whoever", instead: "the replica, the caller, the operator"),
        Word("doctor", "vitals", instead: "diagnostics, server probe"),
        Word("innocence", "disappointment", instead: "read-only check, vote failure"),
        Word("remnants", instead: "session residue"),
        Word("farewell", instead: "timeout response"),
        Word("squatter", "weather", instead: "slot exhaustion, failures"),
    ]

    /// `others` are all files but Swift; `decision` is the record of the vocabulary, which has to name
    /// each word.
    static func faults(swift: [SourceFile], others: [SourceFile], decision: String) -> [String] {
        let named = Set(MarkdownTable.quoted(decision).map { $0.lowercased() })
        return words.flatMap(\.forms).filter { !named.contains($0) }
            .map { "the decision on the vocabulary does not name \($0)" }
            + swift.flatMap(faultsInSwift)
            + others.flatMap { faults(in: $0, Words($0.text).words, place(of: $0.path)) }
    }

    private static func place(of path: String) -> Place {
        if path == "openapi.yaml" { return .contract }
        return path.hasSuffix(".md") ? .pages : .proof
    }

    private static func faultsInSwift(_ file: SourceFile) -> [String] {
        let code = SwiftCode(file.text).bytes
        // A comment or a string is what the code does not have.
        let prose = zip(file.text.utf8, code).map { text, code in
            code == text && text != UInt8(ascii: "\n") ? UInt8(ascii: " ") : text
        }
        let proseWords = Words(prose).words
        return faults(
            in: file, Words(code).words + proseWords.filter { $0.text.contains("_") }, .identifiers)
            + faults(in: file, proseWords, .comments)
    }

    private static func faults(
        in file: SourceFile, _ found: [(text: String, line: Int)], _ place: Place
    ) -> [String] {
        let refused = refused[place] ?? [:]
        let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
        // Names are refused where they are declared, and prose may have to quote them.
        let areNamesRefused = place == .identifiers || place == .proof
        var known: [String: Word?] = [:]
        func word(in text: String) -> Word? {
            let parts = Words.parts(of: text)
            guard areNamesRefused || parts.count == 1 else { return nil }
            return parts.lazy.compactMap { refused[$0] }.first
        }
        return found.compactMap { text, number in
            let word = known[text] ?? word(in: text)
            known[text] = .some(word)
            guard let word else { return nil }
            let line = lines[number - 1].lowercased()
            if word.sound.contains(where: line.contains) { return nil }
            return "\(file.path):\(number): \(text): write \(word.instead)"
        }
    }

    /// The rows of the table by place and form.
    private static let refused: [Place: [String: Word]] = Dictionary(
        uniqueKeysWithValues: Place.allCases.map { place in
            let rows = words.filter { $0.places.contains(place) }
            let forms = rows.flatMap { word in word.forms.map { ($0, word) } }
            return (place, Dictionary(uniqueKeysWithValues: forms))
        })
}
