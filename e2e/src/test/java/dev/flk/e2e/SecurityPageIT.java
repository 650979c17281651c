// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code SECURITY.md}: what it says is shown by a test, is. */
final class SecurityPageIT {
    private static final Pattern TEST = Pattern.compile("`([A-Z][A-Za-z0-9]+(?:Test|IT))`");
    private static final Pattern FILE = Pattern.compile("`((?:sbom|e2e|docs)/[A-Za-z0-9./-]+)`|\\]\\((docs/[^)#]+)");
    private static final Pattern ITEM =
            Pattern.compile("(?m)^\\| API(\\d+):2023 [^|]+\\| ([^|]+)\\| [^|]+\\| ([^|]+)\\|$");

    private static String page() throws IOException {
        return Files.readString(Built.root().resolve("SECURITY.md"));
    }

    private static Set<String> testClasses() throws IOException {
        Set<String> names = new HashSet<>();
        try (Stream<Path> modules = Files.list(Built.root())) {
            for (Path tests : modules.map(module -> module.resolve("src/test/java"))
                    .filter(Files::isDirectory)
                    .toList()) {
                try (Stream<Path> files = Files.walk(tests)) {
                    files.map(file -> String.valueOf(file.getFileName()))
                            .filter(name -> name.endsWith(".java"))
                            .forEach(name -> names.add(name.substring(0, name.length() - ".java".length())));
                }
            }
        }
        return names;
    }

    @Test
    void everyTestThatIsNamed_exists() throws IOException {
        Set<String> named = TEST.matcher(page())
                .results()
                .map(match -> match.group(1))
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(named).hasSizeGreaterThan(30).isSubsetOf(testClasses());
    }

    @Test
    void everyFileThatIsNamed_exists() throws IOException {
        for (MatchResult match : FILE.matcher(page()).results().toList()) {
            String name = match.group(1) != null ? match.group(1) : match.group(2);
            assertThat(Built.root().resolve(name)).exists();
        }
    }

    @Test
    void everyItemOfTheTopTen_hasALine_withATest() throws IOException {
        List<MatchResult> items = ITEM.matcher(page()).results().toList();

        assertThat(items.stream().map(item -> item.group(1)))
                .containsExactly("1", "2", "3", "4", "5", "6", "7", "8", "9", "10");
        assertThat(items).allMatch(item -> item.group(2).strip().matches("yes|no|partly"));
        assertThat(items).allMatch(item -> TEST.matcher(item.group(3)).find());
    }
}
