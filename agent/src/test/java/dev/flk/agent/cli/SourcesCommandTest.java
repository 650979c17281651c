// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SourcesCommandTest {
    @TempDir
    private Path directory;

    private Ended check(String text) throws Exception {
        Path sources = Files.writeString(directory.resolve("sources.yaml"), text);
        return new Cli(directory)
                .unwatched()
                .with("SOURCES_FILE", sources.toString())
                .run("sources", "check");
    }

    @Test
    void check_readableFiles_showsTheFilesTheFirstRowTheWindowsAndTheShard() throws Exception {
        for (int i = 1; i <= 7; i++) {
            Files.writeString(directory.resolve("hall-" + i + ".csv"), "t;v\n2026-02-03T09:00:00Z;1,5\n");
        }

        Ended ended = check("""
                sources:
                  - {name: a, files: hall-*.csv, time: t, values: [v], shard: {file: "hall-."}}
                  - {name: b, files: hall-2.csv, complete: true, time: t, values: [v], window: {time: 6h}}
                """);

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out().replaceAll("\\s+", " "))
                .contains("a: 7 files, growing " + directory.resolve("hall-1.csv"))
                .contains(
                        "hall-5.csv line 2: \"2026-02-03T09:00:00Z\" read as 2026-02-03T09:00:00Z, v \"1,5\" read as 1.5")
                .contains("windows of 300 rows, which D̂ needs for 1 column; window chooses others; shard hall-1")
                .contains("b: 1 file, complete " + directory.resolve("hall-2.csv"))
                .contains("windows of 6h; shard b");
    }

    @Test
    void check_filesWithProblems_namesEachWithWhatToDo() throws Exception {
        Files.writeString(directory.resolve("local.csv"), "t,v\n2026-02-03 09:00:00,1.5\n");
        Files.write(directory.resolve("old.csv"), new byte[] {0x1f, (byte) 0x8b, 8});

        Ended ended = check("""
                sources:
                  - {name: a, files: local.csv, time: t, values: [v]}
                  - {name: b, files: none*.csv, time: t, values: [v]}
                  - {name: c, files: gone/*.csv, time: t, values: [v]}
                  - {name: d, files: old.csv, time: t, values: [v]}
                """);

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err())
                .contains("source a: " + directory.resolve("local.csv") + ": line 2: column t: ")
                .contains("has no zone; give the offset of the clock, such as zone: \"+01:00\"")
                .contains("source b: no file matches " + directory.resolve("none*.csv"))
                .contains("source c: can't use " + directory.resolve("gone") + ": there is no such file or directory")
                .contains("source d: " + directory.resolve("old.csv") + " is compressed, so it does not grow");
    }

    @Test
    void check_linkOutOfTheFolder_isListedAndNotRead() throws Exception {
        Path secret = Files.writeString(directory.resolve("agent.properties"), "PCS_HMAC_KEY=secret\n");
        Path folder = Files.createDirectory(directory.resolve("data"));
        Files.createSymbolicLink(folder.resolve("a.csv"), secret);
        Files.writeString(folder.resolve("b.csv"), "t,v\n1,1.5\n");

        Ended ended = check("sources: [{name: a, files: data/*.csv, time: t, values: [v]}]");

        String why = folder.resolve("a.csv") + " leads out of " + folder + " through a link, which is not followed;";
        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.out().replaceAll("\\s+", " "))
                .contains("a: 1 file, ", "left out: " + why, "v \"1.5\" read as");
        assertThat(ended.err()).contains("source a: " + why).doesNotContain("secret");
    }

    @Test
    void check_invalidOrNoFile_isAConfigurationError() throws Exception {
        Ended invalid = check("sources:\n  - {name: a, files: x, time: t, values: v}\n");
        assertThat(invalid.exitCode()).isEqualTo(2);
        assertThat(invalid.err())
                .contains("sources.yaml, line 2, column 34: source a: values: must be a list of texts")
                .doesNotContain("Exception");

        Ended none = new Cli(directory).unwatched().run("sources", "check");
        assertThat(none.exitCode()).isEqualTo(2);
        assertThat(none.err()).contains("name a file of sources, or set SOURCES_FILE");
    }
}
