import { defineView } from "../../shared/view.tsx";
import { Explorer } from "./view.tsx";

export default defineView("explorer", Explorer, { framed: false });
