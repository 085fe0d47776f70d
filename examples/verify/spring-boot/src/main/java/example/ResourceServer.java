package example;

import java.util.List;
import java.util.Objects;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class ResourceServer {

    public static void main(String[] arguments) {
        SpringApplication.run(ResourceServer.class, arguments);
    }

    record Me(String sub, List<String> roles) {}

    // Every request needs a valid token: this is the default of Spring Boot with application.yml.
    @GetMapping("/me")
    Me me(@AuthenticationPrincipal Jwt token) {
        // The token of a client has no roles.
        List<String> roles = Objects.requireNonNullElse(token.getClaimAsStringList("roles"), List.of());
        return new Me(token.getSubject(), roles);
    }
}
