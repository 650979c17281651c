// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code deploy/docker/Dockerfile}: what it copies is there, what it starts starts, and nobody is root. */
final class DockerfileIT {
    private static final Path ROOT = Built.root();
    private static final Pattern LINK = Pattern.compile("]\\((\\.\\./)?([^)#:]+)(?:#[^)]*)?\\)");
    private static final Pattern RUNBOOK = Pattern.compile("runbook_url: \"?file://([^#\\s]+)#");

    private static Dockerfile file;

    @TempDir
    private Path directory;

    @BeforeAll
    static void read() throws IOException {
        file = Dockerfile.read();
    }

    @Test
    void whatIsNotUnderstood_isAMistake() {
        assertThatThrownBy(() -> Dockerfile.of("FROM base AS flk\nADD x /y\n")).isInstanceOf(AssertionError.class);
        assertThatThrownBy(() -> Dockerfile.of("FROM base\n")).isInstanceOf(AssertionError.class);
        assertThatThrownBy(() -> Dockerfile.of("FROM base AS flk\nENV A = b\n").pairs("flk", "ENV"))
                .isInstanceOf(AssertionError.class);
        assertThatThrownBy(() -> Dockerfile.of("FROM base AS flk\nCMD serve\n").words("flk", "CMD"))
                .isInstanceOf(AssertionError.class);
        Dockerfile good = Dockerfile.of("FROM base AS flk\nENV A=b \\\n    C=\"d e\"\nHEALTHCHECK --x=y CMD [\"f\"]\n");
        assertThat(good.pairs("flk", "ENV")).isEqualTo(Map.of("A", "b", "C", "d e"));
        assertThat(good.words("flk", "HEALTHCHECK")).containsExactly("f");
    }

    @Test
    void base_isOneForAll_withoutTheHostOfARegistry() {
        assertThat(file.stages()).containsOnlyKeys("flk", "flk-agent", "flk-backend");
        assertThat(file.stages().get("flk").base()).isEqualTo("${BASE}");
        assertThat(file.stages().get("flk-agent").base()).isEqualTo("flk");
        assertThat(file.stages().get("flk-backend").base()).isEqualTo("flk");
        assertThat(file.before()).hasSize(1);
        assertThat(file.before().get(0).rest()).matches("BASE=[a-z-]+:17-[a-z-]+");
    }

    @Test
    void copies_areInTheTree_andNothingElseIsSentToTheBuilder() throws IOException {
        Set<String> sources = new HashSet<>(file.copies("flk-agent").keySet());
        sources.addAll(file.copies("flk-backend").keySet());
        sources.forEach(source -> assertThat(ROOT.resolve(source)).exists());
        assertThat(Files.readAllLines(ROOT.resolve(".dockerignore")).stream().filter(line -> !line.startsWith("#")))
                .containsExactlyInAnyOrderElementsOf(ignored(sources));
        assertThat(file.copies("flk-backend"))
                .containsEntry("backend/target/flk-backend.jar", "/opt/flk/flk-backend.jar");
        assertThat(file.copies("flk-agent")).containsEntry("agent/target/flk-agent.jar", "/opt/flk/flk-agent.jar");
    }

    private static List<String> ignored(Set<String> but) {
        List<String> lines = new ArrayList<>(List.of("*"));
        but.forEach(source -> lines.add("!" + source));
        return lines;
    }

    @Test
    void runbooksOfTheAlerts_andWhatTheDocsLinkTo_areInTheImage() throws IOException {
        Map<String, String> copies = file.copies("flk-backend");
        assertThat(copies).containsEntry("docs", "/opt/flk/docs").containsEntry("alerts", "/opt/flk/alerts");
        List<String> runbooks = RUNBOOK.matcher(Files.readString(ROOT.resolve("alerts/flk.rules.yaml")))
                .results()
                .map(url -> url.group(1))
                .distinct()
                .toList();
        assertThat(runbooks).containsExactly("/opt/flk/docs/runbooks.md");
        for (MatchResult link : LINK.matcher(Files.readString(ROOT.resolve("docs/runbooks.md")))
                .results()
                .toList()) {
            String path = (link.group(1) == null ? "docs/" : "") + link.group(2);
            assertThat(ROOT.resolve(path)).exists();
            assertThat(copies).containsKey(path.substring(0, path.indexOf('/')));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent", "flk-backend"})
    void nobodyIsRoot_andDataStandInTheVolume(String target) {
        assertThat(file.last(target, "USER")).isEqualTo("10001:10001");
        assertThat(file.words(target, "VOLUME")).containsExactly("/var/lib/flk");
        assertThat(file.last(target, "WORKDIR")).isEqualTo("/var/lib/flk");
        file.pairs(target, "ENV")
                .forEach((name, value) ->
                        assertThat(value).as(name).matches(name.endsWith("PORT") ? "[0-9]+" : "/var/lib/flk/.+"));
        assertThat(file.pairs(target, "ENV")).containsValue(file.last(target, "EXPOSE"));
        assertThat(file.pairs(target, "LABEL")).containsEntry("org.opencontainers.image.title", target);
        assertThat(file.pairs(target, "LABEL"))
                .containsKeys("org.opencontainers.image.description", "org.opencontainers.image.version")
                .containsEntry("org.opencontainers.image.licenses", "Apache-2.0");
    }

    /** With Java's options, which a JVM that does not know one refuses, and without a shell that would keep signals to itself. */
    @ParameterizedTest
    @ValueSource(strings = {"flk-agent", "flk-backend"})
    void entrypoint_startsTheRealJar(String target) throws Exception {
        List<String> words = file.words(target, "ENTRYPOINT");
        assertThat(words.get(0)).isEqualTo("java");
        assertThat(words.subList(words.size() - 2, words.size()))
                .containsExactly("-jar", "/opt/flk/" + target + ".jar");
        List<String> options = words.subList(1, words.size() - 2);
        String command = file.words(target, "CMD").get(0);
        try (Program program = Program.java(target, directory, Map.of(), options, command, "-h")) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
            assertThat(program.out()).contains("Usage: " + target + " " + command);
        }
        assertThat(file.words(target, "HEALTHCHECK").get(0)).isEqualTo("/opt/flk/healthcheck");
    }
}
