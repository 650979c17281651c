// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArchiveCommandTest {
    @ParameterizedTest
    @CsvSource(delimiter = '=', quoteCharacter = '~', textBlock = """
            cp %p %f = cp,%p,%f
            cp  '%p' "%f" = cp,%p,%f
            cp %p '/a b'/%f = cp,%p,/a b/%f
            cp %p "it's \\"%f\\"" = cp,%p,it's "%f"
            cp %p \\'%f\\ x = cp,%p,'%f x
            cp %p "a\\b" 'c\\d' %f = cp,%p,a\\b,c\\d,%f
            x '' "" %p %f = x,,,%p,%f
            sh -c 'cp "$1" "$2" | cat' sh %p %f = sh,-c,cp "$1" "$2" | cat,sh,%p,%f
            x \\$ "\\$" '$`' %p%f = x,$,$,$`,%p%f
            """)
    void parse_quotes_asAShell(String text, String words) {
        assertThat(ArchiveCommand.parse(text).words()).containsExactly(words.split(",", -1));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '=', quoteCharacter = '~', textBlock = """
            cp %f = not a command: %p, the path of the file to store, is missing
            cp %p %%f = not a command: %f, the name in the archive, is missing
            cp %p %f %d = not a command: '%d' is unknown; write %% for a percent sign
            cp %p %f% = not a command: '%' is unknown; write %% for a percent sign
            cp '%p %f = not a command: a quote that begins with ' does not end
            cp "%p %f = not a command: a quote that begins with " does not end
            cp %p %f\\ = not a command: the backslash at its end quotes nothing
            cp %p %f && sync = not a command: no shell runs it, which would understand &; quote it with ' or \\, or write sh -c '…' sh %p %f
            cp %p "$DIR/%f" = not a command: no shell runs it, which would understand $; quote it with ' or \\, or write sh -c '…' sh %p %f
            """)
    void parse_invalid_saysWhatIsWrong(String text, String message) {
        assertThatThrownBy(() -> ArchiveCommand.parse(text)).hasMessage(message);
    }

    @Test
    void words_replacesInsideWords_andNothingElse() {
        ArchiveCommand command = ArchiveCommand.parse("put %p to=%f 100%% %%p");
        assertThat(command.words(Path.of("/var/a b'$(x)%f.wal"), "n%p"))
                .isEqualTo(List.of("put", "/var/a b'$(x)%f.wal", "to=n%p", "100%", "%p"));
    }
}
