// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.state.MemoryEngine;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.LogCapture;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Page;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the namespace of the former record: in lists of namespaces, and in files of tokens. */
final class FormerRecordTest {
    @TempDir
    private Path directory;

    @Test
    void namespaces_listedInPagesOfAnySize_areAllButTheFormerRecord() {
        try (StateEngine engine = MemoryEngine.started()) {
            for (String namespace : List.of("a", "flk.record", "flk.review", "z")) {
                engine.apply(
                                "test",
                                List.of(engine.write(new StateKey(namespace, "a", "k"), "1", Operation.ANY_VERSION)),
                                "")
                        .toCompletableFuture()
                        .join();
            }

            for (int limit = 1; limit <= 4; limit++) {
                List<String> listed = new ArrayList<>();
                String after = null;
                do {
                    Page<String> page = FormerRecord.namespacesWithout(engine, "", after, limit);
                    listed.addAll(page.entries());
                    after = page.next();
                } while (after != null);
                assertThat(listed).as("limit %s", limit).containsExactly("a", "flk.review", "z");
            }
        }
    }

    @Test
    void tokensFile_namesTheFormerRecord_isReadWithOneWarningThatNamesTheTokens() throws Exception {
        Path file = Files.writeString(
                directory.resolve("tokens.json"), """
                {"version": 1, "tokens": [
                  {"name": "b", "sha256": "%s", "read": ["flk.record/", "flk.record/pump-"]},
                  {"name": "a", "sha256": "%s", "read": ["default/"], "write": ["flk.record/"]},
                  {"name": "c", "sha256": "%s", "read": ["*/"]}]}
                """.formatted("a".repeat(64), "b".repeat(64), "c".repeat(64)));

        try (LogCapture log = new LogCapture();
                Tokens tokens = Tokens.read(file, Audit.none())) {
            assertThat(tokens.holder("unknown")).isEmpty();
            assertThat(log.lines("flk.record"))
                    .containsExactly("WARN " + file + " has rights to the namespace flk.record, which is no longer"
                            + " served; remove them from: a, b. Now the record of outcomes is at /v1/outcomes and its"
                            + " changes at /v1/outcomes/changes, over HTTP with the operators' login");
        }
    }
}
