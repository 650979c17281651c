// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.sample.Pcs;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the output and the errors of the {@code keys} commands. */
final class KeysCommandsTest {
    @TempDir
    private Path directory;

    private KeysFixture keys;

    private final CommandRun cli = new CommandRun();

    @BeforeEach
    void fixture() {
        keys = new KeysFixture(directory);
    }

    private int run(String... args) {
        return cli.run(
                Map.of(
                        "KEYS_FILE",
                        keys.file().toString(),
                        "WAL_DIR",
                        directory.resolve("wal").toString()),
                args);
    }

    @Test
    void list_fits80ColumnsAndShowsWhatMaySign() throws IOException {
        keys.write(
                KeyText.ed25519("a-key-with-the-longest-id-of-all", 1)
                        .shards(Stream.iterate(1, i -> i + 1)
                                .limit(12)
                                .map(i -> "plant-of-some-name-" + i)
                                .toArray(String[]::new)),
                KeyText.ed25519("late", 2).prefixes("line/").with("valid_until", "\"2020-01-01T00:00:00Z\""),
                KeyText.ed25519("early", 3)
                        .shards("with a\\u001b space")
                        .with("valid_from", "\"2999-01-01T00:00:00Z\"")
                        .with("agents", "[\"a\",\"b\\u001b\"]"),
                KeyText.ed25519("gone", 4).state("revoked").prefixes("").with("agents", "[]"));
        assertThat(run("keys", "list")).isZero();
        cli.assertFits80Columns(0);
        assertThat(cli.out().lines())
                .contains(
                        "KEY                               ALG      STATE     VALID UNTIL",
                        "late                              ed25519  expired   2020-01-01T00:00:00Z",
                        "    line/*",
                        "early                             ed25519  early     -",
                        "    from 2999-01-01T00:00:00Z",
                        "    \"with a\\u001b space\"",
                        "    agents: a, \"b\\u001b\"",
                        "gone                              ed25519  revoked   -",
                        "    every shard",
                        "    agents: none");
        assertThat(run("keys", "list", "--json")).isZero();
        assertThat(cli.out().lines())
                .hasSize(4)
                .element(1)
                .asString()
                .startsWith("{\"id\":\"late\",\"algorithm\":\"ed25519\",\"state\":\"active\",\"may_sign\":false,");
    }

    @Test
    void check_saysWhatIsWrong_andNamesKeysForEveryShard() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2).prefixes(""));
        assertThat(run("keys", "check")).isZero();
        assertThat(cli.out()).isEqualTo(keys.file() + " is valid: 2 keys\nkey b may sign for every shard\n");
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2).with("colour", "1"));
        assertThat(run("keys", "check")).isEqualTo(2);
        assertThat(cli.err()).contains(keys.file() + ": key b: unknown member colour");
    }

    @Test
    void signed_overruledRecords_areNotCounted() throws IOException {
        byte[] body = Pcs.number(1).bytes();
        LogOptions options = LogOptions.of(directory.resolve("wal"), "inbox", "context");
        try (Log log = Log.open(
                new DiskFiles(), options, LogListener.NONE, InstantSource.system(), System::nanoTime, new Random(1))) {
            CommandRun.append(log, new Entry('s', "a", 1_000, body));
            CommandRun.append(log, new Entry('o', "a", 9_000, "overruled 1\n".getBytes(StandardCharsets.US_ASCII)));
        }

        assertThat(run("keys", "signed", "a")).isZero();
        assertThat(cli.out()).contains("1 record").doesNotContain("1970-01-01T00:00:09Z", "2 records");
    }

    @Test
    void signed_logMissing_namesIt() throws IOException {
        assertThat(run("keys", "signed", "a")).isEqualTo(1);
        assertThat(cli.err()).contains("wal: there is no such file or directory");
        assertThat(run("keys", "signed")).isEqualTo(2);
    }
}
