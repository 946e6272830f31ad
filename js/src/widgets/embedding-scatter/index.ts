import { defineView } from "../../shared/view.tsx";
import { EmbeddingScatter } from "./view.tsx";

export default defineView("embedding-scatter", EmbeddingScatter);
