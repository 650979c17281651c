// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.keys.KeysFixture;
import dev.flk.backend.keys.KeysFixture.KeyText;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code keys …}: what is written, what is refused, what a person reads. */
final class KeysCommandsTest {
    @TempDir
    private Path directory;

    private KeysFixture keys;

    private record Run(int exitCode, String out, String err) {}

    @BeforeEach
    void fixture() {
        keys = new KeysFixture(directory);
    }

    private Run run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        List<String> all = new ArrayList<>(List.of("keys"));
        all.addAll(List.of(args));
        int exitCode = new CommandLineProgram(
                        Map.of(
                                "KEYS_FILE",
                                keys.file().toString(),
                                "WAL_DIR",
                                directory.resolve("wal").toString()),
                        config -> {},
                        new PrintWriter(out),
                        new PrintWriter(err))
                .run(all.toArray(String[]::new));
        return new Run(exitCode, out.toString(), err.toString());
    }

    private static void assertOwnerOnly(Path file) throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .as(file.toString())
                .isEqualTo("rw-------");
    }

    @Test
    void add_generated_isWrittenForTheOwnerAloneAndNeverPrinted() throws IOException {
        Run edge = run(
                "add", "edge", "--generate", "--shard", "a", "--rate", "2.50", "--valid-until", "2099-01-01T00:00:00Z");
        Run shared = run("add", "shared", "--alg", "hmac", "--generate", "--shard-prefix", "", "--rate", "100");
        assertThat(edge.exitCode()).as(edge.err()).isZero();
        assertThat(shared.exitCode()).as(shared.err()).isZero();

        Path privateHalf = directory.resolve("edge.agent.properties");
        Path secret = directory.resolve("shared.secret");
        for (Path file : List.of(keys.file(), privateHalf, secret)) {
            assertOwnerOnly(file);
        }
        String seed = Files.readAllLines(privateHalf).get(1).substring("PCS_ED25519_PRIV_B64=".length());
        assertThat(edge.out() + edge.err() + Files.readString(keys.file()))
                .contains(privateHalf.toString())
                .doesNotContain(seed);
        assertThat(shared.out() + shared.err() + Files.readString(keys.file()))
                .contains(secret.toString())
                .doesNotContain(Files.readString(secret).strip());
        assertThat(run("check").out())
                .isEqualTo(keys.file() + " can be used: 2 keys\nkey shared may sign for every shard\n");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("keys.json", "keys.json.lock", "edge.agent.properties", "shared.secret");
        }
    }

    @Test
    void add_refused_leavesNothingBehind() throws IOException {
        keys.write(KeyText.ed25519("a", 1));
        String before = Files.readString(keys.file());
        assertThat(run("add", "a", "--generate", "--shard", "x").err())
                .contains("there is a key a already; an id is never used again");
        assertThat(run("add", "b", "--generate", "--shard", "x", "--rate", "-1").err())
                .contains("key b: rate is no number above 0");
        assertThat(run("add", "b", "--public-key", KeysFixture.signer(1).publicKeyBase64(), "--shard", "x")
                        .err())
                .contains("key b: it is the same key as a");
        for (String[] wrong : new String[][] {
            {"add", "b", "--shard", "x"},
            {"add", "b", "--generate"},
            {"add", "b/c", "--generate", "--shard", "x"},
            {"add", "b", "--generate", "--shard", "x", "--alg", "rsa"},
            {"add", "b", "--generate", "--shard", "x", "--valid-from", "today"}
        }) {
            assertThat(run(wrong).exitCode()).isEqualTo(2);
        }
        assertThat(Files.readString(keys.file())).isEqualTo(before);
        assertThat(directory.resolve("b.agent.properties")).doesNotExist();
    }

    @Test
    void list_fits80ColumnsAndTellsWhatMaySign() throws IOException {
        keys.write(
                KeyText.ed25519("a-key-with-the-longest-id-of-all", 1)
                        .shards(Stream.iterate(1, i -> i + 1)
                                .limit(12)
                                .map(i -> "plant-of-some-name-" + i)
                                .toArray(String[]::new)),
                KeyText.ed25519("late", 2).prefixes("line/").with("valid_until", "\"2020-01-01T00:00:00Z\""),
                KeyText.ed25519("early", 3)
                        .shards("with a\\u001b space")
                        .with("valid_from", "\"2999-01-01T00:00:00Z\""),
                KeyText.ed25519("gone", 4).state("revoked").prefixes(""));
        Run list = run("list");
        assertThat(list.out().lines())
                .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80))
                .contains(
                        "KEY                               ALG      STATE     VALID UNTIL",
                        "late                              ed25519  expired   2020-01-01T00:00:00Z",
                        "    line/*",
                        "early                             ed25519  early     -",
                        "    from 2999-01-01T00:00:00Z",
                        "    \"with a\\u001b space\"",
                        "gone                              ed25519  revoked   -",
                        "    every shard");
        assertThat(run("list", "--json").out().lines())
                .hasSize(4)
                .element(1)
                .asString()
                .startsWith("{\"id\":\"late\",\"algorithm\":\"ed25519\",\"state\":\"active\",\"may_sign\":false,");
    }

    @Test
    void retireAndRevoke_changeTheState_andRevokedIsForGood() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2));
        assertThat(run("retire", "a").out()).isEqualTo("key a is retiring\n");
        Run revoked = run("revoke", "a");
        assertThat(revoked.out()).isEqualTo("key a is revoked\n");
        assertThat(revoked.exitCode()).isEqualTo(1);
        assertThat(revoked.err()).contains("wal: there is no such file or directory");
        assertThat(run("list").out()).containsPattern("a +ed25519 +revoked").containsPattern("b +ed25519 +active");
        assertThat(run("retire", "a").err()).contains("key a was revoked, which is for good");
        assertThat(run("revoke", "c").err()).contains("there is no key c; 'keys list' shows them all");
    }

    @Test
    void change_keepsTheGroupThatMayRead_butNoStranger() throws IOException {
        keys.write(KeyText.ed25519("a", 1));
        Files.setPosixFilePermissions(keys.file(), PosixFilePermissions.fromString("rw-r--r--"));
        assertThat(run("retire", "a").exitCode()).isZero();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(keys.file())))
                .isEqualTo("rw-r-----");
        run("add", "shared", "--alg", "hmac", "--generate", "--shard", "x");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("shared.secret"))))
                .isEqualTo("rw-r-----");
        run("add", "edge", "--generate", "--shard", "x");
        assertOwnerOnly(directory.resolve("edge.agent.properties"));
    }

    @Test
    void change_ofALink_isRefused() throws IOException {
        Path real = Files.createDirectory(directory.resolve("real"));
        Files.createSymbolicLink(
                keys.file(),
                new KeysFixture(real).write(KeyText.ed25519("a", 1)).file());
        assertThat(run("retire", "a").err()).contains("is a link, which a change would replace");
        assertThat(run("list").exitCode()).isZero();
    }

    @Test
    void aFileWithAMistake_isLeftAlone() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2).with("colour", "1"));
        String before = Files.readString(keys.file());
        Run run = run("retire", "a");
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(keys.file() + ": key b: unknown member colour");
        assertThat(Files.readString(keys.file())).isEqualTo(before);
    }
}
