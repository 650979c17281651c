// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.follow.Globs.Found;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GlobsTest {
    @TempDir
    private Path directory;

    private List<String> find(String pattern) throws IOException {
        return Globs.find(Globs.literal(directory.toString()) + "/" + pattern).files().stream()
                .map(file -> directory.relativize(file).toString())
                .toList();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "*/*.csv        | hall-1/a.csv hall-1/b.csv hall-2/c.csv",
                "hall-?/[ab]*   | hall-1/a.csv hall-1/b.csv",
                "hall-{2,9}/*   | hall-2/c.csv hall-2/x*.txt",
                "hall-2/x\\*.*  | hall-2/x*.txt",
                "hall-2/x\\*.txt | hall-2/x*.txt",
                "hall-1/.*      | hall-1/.hidden.csv",
                "none-?/*.csv   | ",
                "hall-1/no.csv  | ",
                "hall-1/fold*   | ",
                "new*           | `new\nline`",
            })
    void find_wildcards_matchRegularFilesOfEachDirectory(String pattern, String expected) throws Exception {
        for (String name : List.of(
                "hall-1/a.csv", "hall-1/b.csv", "hall-1/.hidden.csv", "hall-2/c.csv", "hall-2/x*.txt", "new\nline")) {
            Path file = directory.resolve(name);
            Files.createDirectories(directory.resolve(name).resolveSibling(""));
            Files.writeString(file, "");
        }
        Files.createDirectories(directory.resolve("hall-1/folder.csv"));

        assertThat(find(pattern))
                .isEqualTo(
                        expected == null
                                ? List.of()
                                : expected.contains("\n") ? List.of(expected) : List.of(expected.split(" ")));
    }

    @Test
    void find_fixedDirectoryThatIsNone_isNamed() throws Exception {
        Files.writeString(directory.resolve("file"), "");

        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> find("gone/*/a.csv"))
                .withMessage(directory.resolve("gone").toString());
        assertThatExceptionOfType(NotDirectoryException.class)
                .isThrownBy(() -> find("file/*.csv"))
                .withMessage(directory.resolve("file").toString());
    }

    @Test
    void find_moreThanAThousand_isCut() throws Exception {
        for (int i = 0; i <= 1_000; i++) {
            Files.createFile(directory.resolve(i + ".csv"));
        }

        Found found = Globs.find(directory + "/*.csv");

        assertThat(found.files()).hasSize(1_000);
        assertThat(found.isCut()).isTrue();
        assertThat(Globs.find(directory + "/1*.csv").isCut()).isFalse();
    }
}
