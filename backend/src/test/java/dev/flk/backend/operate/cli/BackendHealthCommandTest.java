// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the command {@code health}. {@code BackendHealthTest} tests the findings of its checks. */
class BackendHealthCommandTest {
    private static final String NOBODY = "1";

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path directory;

    private Map<String, String> settings() {
        return new HashMap<>(Map.of(
                "PCS_SIGN_ALG",
                "none",
                "PORT",
                NOBODY,
                "BIND_ADDR",
                "127.0.0.1",
                "WAL_DIR",
                directory.resolve("wal").toString(),
                "DEDUP_DIR",
                directory.resolve("dedup").toString()));
    }

    @Test
    void eachSubject_hasALine_andNothingIsCreated() {
        assertThat(cli.run(settings(), "health")).isEqualTo(1);

        assertThat(cli.out())
                .containsPattern("(?m)^ok   settings +[0-9]+ ms  can be read$")
                .containsPattern("(?m)^BAD  backend +[0-9]+ ms  nothing listens at http://127.0.0.1:1; start")
                .containsPattern("(?m)^ok   disk +[0-9]+ ms  WAL_DIR ")
                .containsPattern("(?m)^\\?    keys +[0-9]+ ms  PCS_SIGN_ALG=none: ");
        cli.assertFits80Columns(0);
        assertThat(cli.err()).isEmpty();
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void portKnownOnlyFromTheLog_isNotContacted() {
        Map<String, String> settings = settings();
        settings.put("PORT", "0");
        assertThat(cli.run(settings, "health")).isZero();
        assertThat(cli.out()).containsPattern("(?m)^\\?    backend +[0-9]+ ms  is not asked, because its port is 0");
    }

    @ParameterizedTest
    @CsvSource({"KEYS_FILE", "TLS_CERT"})
    void fileThatCantBeRead_isNamed(String setting) throws Exception {
        Map<String, String> settings = settings();
        String file = Files.createDirectory(directory.resolve("d")).toString();
        settings.put("PCS_SIGN_ALG", "hmac");
        if (!setting.equals("KEYS_FILE")) {
            settings.put("PCS_HMAC_KEY", "a secret of a test");
        }
        settings.put("TLS_KEY", file);
        settings.put("TLS_CERT", file);
        settings.put(setting, file);
        assertThat(cli.run(settings, "health")).isEqualTo(1);
        assertThat(cli.out())
                .containsPattern("BAD  settings +[0-9]+ ms  " + setting + ": " + file)
                .doesNotContain("a secret");
    }
}
