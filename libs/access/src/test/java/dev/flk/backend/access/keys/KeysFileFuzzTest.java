// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.sample.FuzzInputs;
import dev.flk.signing.SigningAlgorithm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Reads random bytes as a keys file: either the keys are well-formed and no invalid signature is accepted, or the
 * messages name the mistakes without repeating a secret.
 */
class KeysFileFuzzTest {
    /** The prefix of the secrets; random files may also contain it where it does not belong. */
    private static final String SECRET = "hunter2-hunter2";

    private static final JsonMapper JSON = new JsonMapper();
    private static final byte[] CANONICAL = "{}".getBytes(StandardCharsets.US_ASCII);

    private final Path directory = temporaryDirectory();
    private final KeysFixture fixture = new KeysFixture(directory);

    KeysFileFuzzTest() throws IOException {
        for (String name : List.of("a", "b")) {
            fixture.secret(name, SECRET + " of " + name);
            directory.resolve(name).toFile().deleteOnExit();
        }
        fixture.file().toFile().deleteOnExit();
    }

    private static Path temporaryDirectory() {
        try {
            Path directory = Files.createTempDirectory("fuzz-keys");
            directory.toFile().deleteOnExit();
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyFile_isValidKeysOrNamedProblems(byte[] text) throws IOException {
        Files.write(fixture.file(), text);
        try {
            KeysFile read = KeysFile.read(fixture.file(), null);
            assertAreUsable(read);
        } catch (InvalidFileException e) {
            assertThat(e.problems())
                    .isNotEmpty()
                    .allSatisfy(problem -> assertThat(problem).isNotBlank().matches("[ -~…]+"));
            if (!isNameOrId(text)) {
                assertThat(e).hasMessageNotContaining(SECRET);
            }
        }
    }

    private static void assertAreUsable(KeysFile read) {
        assertThat(read.entries()).isNotEmpty().extracting(KeyEntry::id).doesNotHaveDuplicates();
        for (KeyEntry key : read.entries()) {
            assertThat(key.toString()).doesNotContain(SECRET);
            assertThat(KeysJson.isId(key.id())).isTrue();
            assertThat(key.algorithm() == SigningAlgorithm.HMAC).isEqualTo(key.publicKey() == null);
            assertThat(key.shards().size() + key.shardPrefixes().size()).isPositive();
            for (String shard : new TreeSet<>(key.shards())) {
                assertThat(key.maySignFor(shard)).isTrue();
                for (int chars : new int[] {0, 44, 88}) {
                    assertThat(read.registry().verify(CANONICAL, shard, "A".repeat(chars), 0))
                            .isEmpty();
                }
            }
        }
    }

    /** Returns whether the text contains the secret as a member name or an id, which messages may repeat. */
    private static boolean isNameOrId(byte[] text) {
        try {
            return isNameOrId(JSON.readTree(text));
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isNameOrId(JsonNode node) {
        if (node == null) {
            return false;
        }
        return node.path("id").asText().contains(SECRET)
                || node.properties().stream().anyMatch(member -> member.getKey().contains(SECRET))
                || node.valueStream().anyMatch(KeysFileFuzzTest::isNameOrId);
    }
}
