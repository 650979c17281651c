// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of what {@code ./flk} builds in a fresh clone, in a directory whose name contains spaces. */
@Tag("thorough")
final class FirstCommandIT {
    /** What a clone does not contain. */
    private static final Set<String> NOT_CLONED = Set.of(".git", "target", "data");

    @TempDir
    private Path temporary;

    private Path copy;

    @BeforeEach
    void copySources() throws IOException {
        Path root = Built.root();
        copy = temporary.resolve("a fresh clone");
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
                    throws IOException {
                Path relative = root.relativize(directory);
                boolean isSource = relative.toString().contains("/src/");
                if (!isSource && NOT_CLONED.contains(directory.getFileName().toString())) {
                    return FileVisitResult.SKIP_SUBTREE;
                }
                Files.createDirectory(copy.resolve(relative));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.copy(file, copy.resolve(root.relativize(file)));
                return FileVisitResult.CONTINUE;
            }
        });
    }

    @Test
    void demo_freshClone_buildsBothProgramsAlone_andShowsItsProgress() throws Exception {
        Ended demo = flk("demo");

        assertThat(demo.exitCode()).as(demo.err()).isZero();
        assertThat(demo.out()).startsWith("A backend with a fresh key on a free port ...\n");
        assertThat(demo.out()).containsPattern("record sql \"SELECT [^\n]*\"\nregime  +n  D_hat\n[a-z_]+ +\\d+ +0\\.");
        List<String> modules = demo.err()
                .lines()
                .filter(line -> line.startsWith("flk: module "))
                .map(line -> line.replaceFirst(":[^:]*$", ""))
                .toList();
        assertThat(modules)
                .containsExactlyElementsOf(IntStream.rangeClosed(1, modules.size())
                        .mapToObj(k -> "flk: module " + k + " of " + modules.size())
                        .toList());
        assertThat(demo.err()).contains(": Fractal LBA agent\n", ": Fractal LBA backend\n");

        for (String program : List.of("flk-agent", "flk-backend")) {
            Path jar = Built.jar(program);
            assertThat(copy.resolve(Built.root().relativize(jar))).hasSameBinaryContentAs(jar);
        }
        // a later build must compile, and so check, every class; neither tests nor bills of materials are made
        assertThat(built()).doesNotContain("classes", "test-classes", "flk-agent.cdx.json", "flk-backend.cdx.json");
        assertThat(copy.resolve("bench/target")).doesNotExist();

        Ended keygen = flk("agent", "keygen");
        assertThat(keygen.out()).matches("PCS_SIGN_ALG=hmac\nPCS_HMAC_KEY=[^\n]+\n");
        assertThat(keygen.err()).doesNotContain("flk: module");
    }

    @Test
    void brokenSource_showsTheCompilersMessage() throws Exception {
        Files.writeString(copy.resolve("libs/wal/src/main/java/dev/flk/wal/Broken.java"), "broken\n");

        Ended keygen = flk("agent", "keygen");

        assertThat(keygen.exitCode()).isEqualTo(1);
        assertThat(keygen.out()).isEmpty();
        assertThat(keygen.err()).contains("flk: module ", "Broken.java", "flk: the build failed");
        assertThat(keygen.err()).doesNotContain("[INFO]");
    }

    /** Returns the names in the directories {@code target} of all modules. */
    private Set<String> built() throws IOException {
        try (Stream<Path> files =
                Files.find(copy, 3, (file, attributes) -> file.getParent().endsWith("target"))) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    private record Ended(int exitCode, String out, String err) {}

    private Ended flk(String... command) throws IOException, InterruptedException {
        Path errors = temporary.resolve("errors");
        ProcessBuilder builder = new ProcessBuilder(
                        Stream.concat(Stream.of("./flk"), Stream.of(command)).toList())
                .directory(copy.toFile())
                .redirectError(errors.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("MAVEN_OPTS", "-Dmaven.repo.local=" + System.getProperty("flk.repository"));
        Starts.count(Started.JVM);
        Process process = builder.start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), out, Files.readString(errors));
    }
}
