// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.signing.SigningAlgorithm;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests that valid keys files are read and that every mistake in a keys file is reported. */
final class KeysFileTest {
    private static final String SECRET = "a secret of the test, long enough";

    @TempDir
    private Path directory;

    private KeysFixture keys;

    @BeforeEach
    void secrets() throws IOException {
        keys = new KeysFixture(directory).secret("a.secret", SECRET);
    }

    private List<String> problems() {
        var thrown = catchThrowableOfType(InvalidFileException.class, () -> KeysFile.read(keys.file(), null));
        assertThat(thrown).isNotNull();
        assertThat(thrown.problems()).allSatisfy(problem -> assertThat(problem).doesNotContain(SECRET));
        return thrown.problems();
    }

    @Test
    void read_everyMember_isReturned() throws Exception {
        keys.write(
                KeyText.ed25519("edge-7.2026:a_b", 1)
                        .shards("plant-7", "plant-8")
                        .with("shard_prefixes", "[\"line/\",\"\"]")
                        .with("agents", "[\"plant-7\",\"b\"]")
                        .with("valid_from", "\"2026-11-20T10:00:00+01:00\"")
                        .with("valid_until", "\"2027-11-20T10:00:00.5Z\"")
                        .state("retiring")
                        .with("rate", "2.5"),
                KeyText.hmac("h", "a.secret"));

        assertThat(KeysFile.read(keys.file(), null).entries())
                .containsExactly(
                        new KeyEntry(
                                "edge-7.2026:a_b",
                                SigningAlgorithm.ED25519,
                                KeysFixture.signer(1).publicKeyBase64(),
                                null,
                                List.of("plant-7", "plant-8"),
                                List.of("line/", ""),
                                List.of("plant-7", "b"),
                                Instant.parse("2026-11-20T09:00:00Z"),
                                Instant.parse("2027-11-20T10:00:00.5Z"),
                                KeyState.RETIRING,
                                new BigDecimal("2.5")),
                        new KeyEntry(
                                "h",
                                SigningAlgorithm.HMAC,
                                null,
                                "a.secret",
                                List.of("shard-1"),
                                List.of(),
                                null,
                                null,
                                null,
                                KeyState.ACTIVE,
                                null));
    }

    private static final Map<String, String> PROBLEMS = Map.of(
            "{agents}",
            "key k: agents is not an array of distinct strings of 1 to 256 characters",
            "{id}",
            "key number 1: id is missing, is the reserved word none, or is not 1 to 32 of A-Z a-z 0-9 . _ : -"
                    + " beginning with a letter or digit",
            "{public}",
            "key k: public_key is not an Ed25519 public key, 32 bytes in padded base64",
            "{ed}",
            "key k: an ed25519 key has public_key and no secret_file",
            "{shards}",
            "key k: shards is not an array of distinct strings of 1 to 256 characters",
            "{rate}",
            "key k: rate is not a number above 0 and up to 10000000, with at most 20 decimals",
            "{file}",
            "key k: secret_file must be a path below the directory of the keys file, without '..', for example"
                    + " keys/a.secret");

    /** Each key is valid except for one member, which is replaced, added or removed. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            ed | id | | {id}
            ed | id | "none" | {id}
            ed | id | "a b" | {id}
            ed | id | "a23456789012345678901234567890123" | {id}
            ed | algorithm | "rsa" | key k: algorithm is missing or not one of hmac, ed25519
            ed | public_key | "AAAA" | {public}
            ed | public_key | "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" | {public}
            ed | public_key | | {ed}
            ed | secret_file | "a.secret" | {ed}
            hmac | secret_file | | key k: an hmac key has secret_file and no public_key
            hmac | secret | "a secret of the test, long enough" | key k: unknown member secret; this file never contains secrets: \
            put the secret into its own file and name that in secret_file
            ed | colour | 1 | key k: unknown member colour
            ed | shards | | key k: it may sign for no shard; list some in shards or shard_prefixes
            ed | shards | ["a",""] | {shards}
            ed | shards | ["a","a"] | {shards}
            ed | shards | ["\\ud83d"] | {shards}
            ed | shard_prefixes | "a" | key k: shard_prefixes is not an array of distinct strings of 0 to 256 characters
            ed | agents | "a" | {agents}
            ed | agents | null | {agents}
            ed | agents | [""] | {agents}
            ed | agents | ["a",1] | {agents}
            ed | agents | ["a","a"] | {agents}
            ed | agents | ["a/b"] | key k: agents has a name with a slash; \
            the name of an agent is the part of a session id before its first slash
            ed | valid_from | "tomorrow" | key k: valid_from is not an instant between 1970 and 9999; write it like 2026-11-20T10:00:00Z
            ed | valid_until | 5 | key k: valid_until is not a string
            ed | valid_until | "2026-11-20T10:00:00Z","valid_from":"2026-11-20T10:00:00Z" | key k: valid_until is not after valid_from
            ed | state | "stolen" | key k: state is missing or not one of active, retiring, revoked
            ed | rate | 0 | {rate}
            ed | rate | 1e400000 | {rate}
            ed | rate | 1e-400000 | {rate}
            ed | rate | 1e4000000000 | it has a number whose exponent is out of range
            hmac | secret_file | "../a.secret" | {file}
            hmac | secret_file | "/a.secret" | {file}
            hmac | secret_file | "b" | key k: its secret_file does not exist
            """)
    void read_errorInAKey_isNamedAlone(String algorithm, String member, String json, String problem)
            throws IOException {
        KeyText key = algorithm.equals("ed") ? KeyText.ed25519("k", 1) : KeyText.hmac("k", "a.secret");
        keys.write(json == null ? key.without(member) : key.with(member, json));

        assertThat(problems()).containsExactly(PROBLEMS.getOrDefault(problem, problem));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            '' | it is not a JSON object
            [] | it is not a JSON object
            \uFEFF{} | it begins with a byte order mark; save it as UTF-8 without one
            {"version":1,"version":1} | it is not JSON, or has a member twice, at line 1, column 23
            {"version":1} x | it is not JSON, or has a member twice, at line 1, column 15
            {"version":1,"keys":[]} | keys is missing, not an array, or empty
            {"version":1,"keys":[3]} | key number 1 is not an object
            """)
    void read_errorInTheFile_isNamed(String text, String problem) throws IOException {
        keys.writeText(text);
        assertThat(problems()).containsExactly(problem);
    }

    @Test
    void read_manyErrors_areAllNamed() throws IOException {
        keys.writeText("{\"version\":2,\"kees\":1,\"keys\":[{\"id\":\"a\",\"state\":\"x\"},7]}");
        assertThat(problems())
                .contains("version is missing or not 1", "key number 2 is not an object")
                .anyMatch(problem -> problem.contains("unknown member kees"))
                .anyMatch(problem -> problem.startsWith("key a: state"))
                .anyMatch(problem -> problem.startsWith("key a: algorithm"));
    }

    @Test
    void read_idOrKeyTwice_isAProblem() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("a", 2), KeyText.ed25519("b", 1));
        assertThat(problems()).containsExactly("key a: the id is used twice", "key b: it is the same key as a");
        keys.secret("b.secret", SECRET).write(KeyText.hmac("a", "a.secret"), KeyText.hmac("b", "b.secret"));
        assertThat(problems()).containsExactly("key b: it is the same key as a");
    }

    @Test
    void read_filesThatOthersCanReadOrWrite_areProblems() throws IOException {
        keys.secret("open", SECRET, "rw-r--r--")
                .secret("group", SECRET, "r--r-----")
                .write(KeyText.hmac("a", "open"));
        assertThat(problems()).containsExactly("key a: its secret_file can be read by everyone; chmod o-rwx it");
        keys.write(KeyText.hmac("a", "group"));
        Files.setPosixFilePermissions(keys.file(), PosixFilePermissions.fromString("rw-r--rw-"));
        assertThat(problems()).containsExactly("it can be written by everyone; chmod o-w it");
        Files.setPosixFilePermissions(keys.file(), PosixFilePermissions.fromString("rw-r--r--"));
        assertThat(catchThrowableOfType(Exception.class, () -> KeysFile.read(keys.file(), null)))
                .isNull();
    }

    @Test
    void read_aShortSecret_isAProblem() throws IOException {
        keys.secret("short", "fifteen bytes..").write(KeyText.hmac("a", "short"));
        assertThat(problems()).containsExactly("key a: its secret_file has a secret of less than 16 bytes");
    }

    @Test
    void read_revokedKeyWithoutSecret_isAccepted() throws Exception {
        keys.write(KeyText.hmac("a", "gone").state("revoked"));
        assertThat(KeysFile.read(keys.file(), null).entries()).hasSize(1);
    }

    @Test
    void read_keyOfAnotherAlgorithmThanConfigured_isAProblem() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.hmac("b", "a.secret"));
        var thrown = catchThrowableOfType(
                InvalidFileException.class, () -> KeysFile.read(keys.file(), SigningAlgorithm.ED25519));
        assertThat(thrown.problems()).containsExactly("key b: its algorithm is not the PCS_SIGN_ALG, ed25519");
    }

    @Test
    void read_moreKeysForAShardThanAreTried_isAProblem() throws Exception {
        List<KeyText> many = new ArrayList<>();
        for (int i = 0; i < KeyRegistry.MAX_KEYS_OF_A_SHARD; i++) {
            many.add(
                    i % 2 == 0
                            ? KeyText.ed25519("k" + i, i)
                            : KeyText.ed25519("k" + i, i).prefixes("shard-"));
        }
        keys.write(many.toArray(KeyText[]::new));
        assertThat(KeysFile.read(keys.file(), null).entries()).hasSize(KeyRegistry.MAX_KEYS_OF_A_SHARD);
        many.add(KeyText.ed25519("one-more", 100).prefixes("sh"));
        keys.write(many.toArray(KeyText[]::new));
        assertThat(problems())
                .containsExactly("17 ed25519 keys that are not revoked may sign for the same shard; at most 16 can be"
                        + " tried");
        many.set(0, KeyText.ed25519("k0", 0).state("revoked"));
        keys.write(many.toArray(KeyText[]::new));
        assertThat(KeysFile.read(keys.file(), null).entries()).hasSize(17);
    }

    @Test
    void read_noFile_isAProblem() {
        assertThat(problems()).containsExactly("it does not exist");
    }

    @Test
    void schema_listsTheMembersThatAreRead() throws IOException {
        JsonNode schema = JsonMapper.builder()
                .build()
                .readTree(Path.of("..", "..", "docs", "keys.schema.json").toFile());
        JsonNode key = schema.at("/properties/keys/items");
        TreeSet<String> members = new TreeSet<>();
        key.path("properties").fieldNames().forEachRemaining(members::add);
        assertThat(members).isEqualTo(new TreeSet<>(KeysJson.MEMBERS));
        assertThat(key.path("additionalProperties").isBoolean()).isTrue();
        assertThat(key.path("additionalProperties").booleanValue()).isFalse();
        List<String> states = new ArrayList<>();
        key.at("/properties/state/enum").forEach(state -> states.add(state.textValue()));
        assertThat(states)
                .isEqualTo(Stream.of(KeyState.values()).map(KeyState::label).toList());
        assertThat(key.at("/properties/id/pattern").textValue()).isEqualTo("^(?!none$)" + KeysJson.ID + "$");
    }
}
