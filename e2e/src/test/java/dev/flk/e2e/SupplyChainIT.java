// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.BillOfMaterials.Component;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is in the jars that people get: all of it named, licensed, and the same whoever builds it. */
final class SupplyChainIT {
    private static final Set<String> ALLOWED_LICENCES = Set.of(
            "Apache-2.0",
            "MIT",
            "MIT-0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "EPL-2.0",
            "Zlib",
            "bzip2-1.0.6",
            "Bouncy Castle Licence");

    /** Of two licences to choose from, the one that is not chosen. */
    private static final Map<String, String> NOT_CHOSEN = Map.of(
            "logback-classic", "LGPL-2.1-only",
            "logback-core", "LGPL-2.1-only",
            "rocksdbjni", "GNU General Public License, version 2");

    /** What the build makes, or puts together, while it packs the jar. */
    private static boolean isMade(String name) {
        return name.equals("META-INF/MANIFEST.MF")
                || name.equals("META-INF/LICENSE")
                || name.equals("META-INF/NOTICE")
                || name.startsWith("META-INF/sbom/")
                || name.startsWith("META-INF/services/");
    }

    private static ShippedJar shipped(String program) throws IOException {
        return ShippedJar.read(Built.jar(program));
    }

    /** The jar of our own classes, before libraries were put into it. */
    private static ShippedJar own(String program) throws IOException {
        return ShippedJar.read(Built.jar(program).resolveSibling("original-" + program + ".jar"));
    }

    private static Map<Component, ShippedJar> jars(BillOfMaterials bill) throws IOException {
        Map<Component, ShippedJar> jars = new LinkedHashMap<>();
        for (Component component : bill.jars()) {
            jars.put(component, ShippedJar.read(component.jar()));
        }
        return jars;
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void billOfMaterials_isBesideTheJarAndInIt_andNamesNoTimeAndNoNumber(String program) throws Exception {
        BillOfMaterials bill = BillOfMaterials.of(program);

        assertThat(shipped(program).bytes("META-INF/sbom/" + program + ".cdx.json"))
                .isEqualTo(Files.readAllBytes(BillOfMaterials.besideJar(program)));
        assertThat(bill.json().get("bomFormat").textValue()).isEqualTo("CycloneDX");
        assertThat(bill.json().get("metadata").get("component").get("name").textValue())
                .isEqualTo(program);
        assertThat(bill.json().has("serialNumber")).isFalse();
        assertThat(bill.json().get("metadata").has("timestamp")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void everyLibrary_isTheOneWhoseHashIsWritten(String program) throws Exception {
        for (Component component : BillOfMaterials.of(program).jars()) {
            if (!component.ours()) {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(component.jar()));
                assertThat(HexFormat.of().formatHex(digest))
                        .as(component.purl())
                        .isEqualTo(component.sha256());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void everyEntryIsOfAComponent_andEveryComponentHasOne(String program) throws Exception {
        ShippedJar jar = shipped(program);
        ShippedJar own = own(program);
        Map<Component, ShippedJar> jars = jars(BillOfMaterials.of(program));

        List<String> ofNobody = new ArrayList<>();
        Set<Component> present = new HashSet<>();
        jar.entries().forEach((name, content) -> {
            boolean known = isMade(name) || content.equals(own.entries().get(name));
            for (Map.Entry<Component, ShippedJar> one : jars.entrySet()) {
                if (content.equals(one.getValue().entries().get(name))) {
                    known = true;
                    if (!name.endsWith("/pom.properties")) {
                        present.add(one.getKey());
                    }
                }
            }
            if (!known) {
                ofNobody.add(name);
            }
        });

        assertThat(ofNobody).as("in the jar, and of no component").isEmpty();
        assertThat(present).as("components of which nothing is in the jar").isEqualTo(jars.keySet());
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void everyService_isOfAComponent(String program) throws Exception {
        Set<String> offered = new HashSet<>();
        for (ShippedJar one : jars(BillOfMaterials.of(program)).values()) {
            one.texts("META-INF/services/.*")
                    .forEach((name, text) -> text.lines().forEach(line -> offered.add(name + " " + line.strip())));
        }
        own(program)
                .texts("META-INF/services/.*")
                .forEach((name, text) -> text.lines().forEach(line -> offered.add(name + " " + line.strip())));

        shipped(program)
                .texts("META-INF/services/.*")
                .forEach((name, text) -> assertThat(text.lines().map(line -> name + " " + line.strip()))
                        .isSubsetOf(offered));
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void whatMavenSaysOfItself_isNamed(String program) throws Exception {
        BillOfMaterials bill = BillOfMaterials.of(program);
        Set<String> named = bill.components().stream()
                .map(one -> one.group() + ":" + one.name() + ":" + one.version())
                .collect(Collectors.toSet());
        Map<String, String> poms = shipped(program).texts("META-INF/maven/.*/pom\\.properties");

        assertThat(poms).hasSizeGreaterThan(20);
        for (Map.Entry<String, String> pom : poms.entrySet()) {
            Properties properties = new Properties();
            properties.load(new StringReader(pom.getValue()));
            String artifact = properties.getProperty("artifactId");
            if (!artifact.equals(program)) {
                assertThat(named)
                        .contains(properties.getProperty("groupId") + ":" + artifact + ":"
                                + properties.getProperty("version"));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void whatLibrariesCarryInside_isNamedToo_andIsThere(String program) throws Exception {
        BillOfMaterials bill = BillOfMaterials.of(program);
        ShippedJar jar = shipped(program);
        Set<String> purls = bill.jars().stream().map(Component::purl).collect(Collectors.toSet());

        for (Component component : bill.inside()) {
            assertThat(purls)
                    .as(component.purl() + " is inside")
                    .contains(component.inside().orElseThrow());
            assertThat(jar.entries().keySet().stream().map(ShippedJar::unversioned))
                    .as(component.purl())
                    .anyMatch(name -> name.startsWith(component.prefix()));
        }
        assertThat(jar.entries().keySet().stream()
                        .map(ShippedJar::unversioned)
                        .filter(name -> name.matches(".*/(shaded|repackaged|relocated|thirdparty|vendor(ed)?)/.*"))
                        .filter(name -> bill.inside().stream().noneMatch(one -> name.startsWith(one.prefix()))))
                .as("carried inside, and not named")
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void nativeLibraries_areForTwoProcessors_andHoldWhatIsNamed(String program) throws Exception {
        BillOfMaterials bill = BillOfMaterials.of(program);
        ShippedJar jar = shipped(program);
        List<String> libraries = jar.entries().keySet().stream()
                .filter(name -> name.matches(".*\\.(so|dll|dylib|jnilib)"))
                .toList();

        assertThat(libraries)
                .hasSize(program.equals("flk-backend") ? 4 : 0)
                .allMatch(name -> name.matches(".*(64|x86_64|aarch64|aarch_64)\\.so"));
        for (String library : libraries) {
            String text = new String(jar.bytes(library), StandardCharsets.ISO_8859_1);
            for (Component component : bill.inside()) {
                if (library.startsWith(component.prefix())) {
                    assertThat(text.contains(component.version()))
                            .as("%s has %s %s", library, component.name(), component.version())
                            .isTrue();
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void everyLicence_isAllowed(String program) throws Exception {
        for (Component component : BillOfMaterials.of(program).components()) {
            List<String> chosen = component.licences().stream()
                    .filter(one -> !one.equals(NOT_CHOSEN.get(component.name())))
                    .toList();
            assertThat(chosen).as(component.purl()).isNotEmpty().isSubsetOf(ALLOWED_LICENCES);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void licencesThatAskForTheirText_haveItInTheJar(String program) throws Exception {
        Map<String, String> texts = shipped(program).texts("META-INF/licenses/.*");
        List<Component> components = BillOfMaterials.of(program).components();
        Set<String> owners = new HashSet<>();
        for (Component component : components) {
            Set<String> own = texts.keySet().stream()
                    .filter(name -> isOf(name, component))
                    .collect(Collectors.toSet());
            owners.addAll(own);
            boolean asks = !Set.of("Apache-2.0", "MIT-0").containsAll(component.licences());
            if (asks) {
                assertThat(own).as("licence of " + component.purl()).isNotEmpty();
            }
        }

        assertThat(texts.keySet()).as("texts of nothing that is in the jar").isEqualTo(owners);
    }

    private static boolean isOf(String text, Component component) {
        String name = text.substring("META-INF/licenses/".length());
        return name.equals(component.group() + ".txt")
                || name.equals(component.name() + ".txt")
                || (!component.group().isEmpty() && name.startsWith(component.group() + "/"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void licencesAndNoticesOfLibraries_areInTheJarWordForWord(String program) throws Exception {
        ShippedJar jar = shipped(program);
        String all = words(jar.text("META-INF/LICENSE")
                + " "
                + String.join(" ", jar.texts("META-INF/licenses/.*").values()));

        for (Map.Entry<Component, ShippedJar> one :
                jars(BillOfMaterials.of(program)).entrySet()) {
            one.getValue()
                    .texts("(META-INF/)?[^/]*(LICEN[CS]E|NOTICE|COPYRIGHT)[^/]*")
                    .forEach((name, text) -> assertThat(all.contains(words(text)))
                            .as(name + " of " + one.getKey().purl())
                            .isTrue());
        }
    }

    private static String words(String text) {
        return text.replaceAll("[\\s{}\\[\\]]+", " ").strip();
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-backend", "flk-agent"})
    void ourOwnEntries_haveTheTimeOfTheBuildFile_andNothingSaysWhereItWasBuilt(String program) throws Exception {
        ShippedJar own = own(program);
        OffsetDateTime told = OffsetDateTime.parse(System.getProperty("flk.timestamp"));
        Map<String, String> wrong = new HashMap<>();
        try (ZipFile zip = new ZipFile(Built.jar(program).toFile())) {
            for (String name : own.entries().keySet()) {
                ZipEntry entry = zip.getEntry(name);
                if (entry != null && !isMade(name) && !entry.getTimeLocal().equals(told.toLocalDateTime())) {
                    wrong.put(name, entry.getTimeLocal().toString());
                }
            }
        }
        assertThat(wrong).isEmpty();

        String here = Built.root().toString();
        own.texts(".*")
                .forEach((name, text) -> assertThat(text.contains(here))
                        .as(name + " names " + here)
                        .isFalse());
        assertThat(Files.readString(BillOfMaterials.besideJar(program))).doesNotContain(here);
    }
}
