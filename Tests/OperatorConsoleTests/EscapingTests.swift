import Testing

@testable import OperatorConsole

@Suite struct EscapingTests {
    @Test func escapesTextAndAttributes() {
        let piece = p(.title(#""><script>'&"#)) { #"<script>alert('x')</script> & ""# }
        #expect(
            piece.markup
                == "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">&lt;script&gt;alert(&#39;x&#39;)"
                + "&lt;/script&gt; &amp; &quot;</p>")
    }

    @Test(arguments: ["\u{0}", "\u{1B}", "\u{85}", "\u{202E}", "\u{2066}"])
    func replacesCharactersThatHideOthers(_ character: String) {
        #expect(p { "a\(character)b" }.markup == "<p>a\u{FFFD}b</p>")
    }

    @Test func keepsEveryOtherCharacter() {
        #expect(p { "Zoë\t☕\n" }.markup == "<p>Zoë\t☕\n</p>")
    }

    @Test func writesVoidElementsWithoutEndTag() {
        #expect(
            input(.name("a"), Attribute("required", nil)).markup == "<input name=\"a\" required>")
    }

    @Test(arguments: [
        ("javascript:alert(1)", "/participants/javascript%3Aalert%281%29"),
        ("../../etc?x#y", "/participants/..%2F..%2Fetc%3Fx%23y"),
        ("\"><script>", "/participants/%22%3E%3Cscript%3E"),
    ])
    func encodesWhatIsAddedToATarget(name: String, text: String) {
        #expect(Target.participant(name).text == text)
    }

    @Test func encodesParametersOfATarget() {
        #expect(
            Target.transactions.with("label", "a:b&c=d").with("cursor", "7").text
                == "/transactions?label=a%3Ab%26c%3Dd&cursor=7")
    }
}
